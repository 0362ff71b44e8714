import FoundationEssentials
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import Testing

/// A disk that can't read a pack any more. `strace` has the system call fail as it does then.
@Suite struct BadSectorTests {
    private static let canTrace = (try? ShellCommand("strace", "-o", "/dev/null", "true").run().status) == 0

    @Test(.enabled(if: canTrace, "strace may not trace here"))
    func aRebuildPassesOverThePackAndSaysSo() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let other = try StoredKernel(id: 2, files: ["include/linux/other.h": Array("int other;\n".utf8)])
            let store = try HeaderStore(folder: state)
            try await store.put(try StoredKernel(id: 1, revision: 1))
            let pack = try #require(try FolderListing.names(in: "\(state)/packs").first)
            try await store.put(other)
            try store.close()
            let result = try await run(
                command: ShellCommand(
                    "strace", "-f", "-o", "/dev/null", "-P", "\(state)/packs/\(pack)", "-e",
                    "inject=pread64:error=EIO", BuiltProgram.path("kheaderd"), "rebuild", "--state", state))
            #expect(result.status == 1)
            let report = try JSONDecoder().decode(CatalogueRebuild.Report.self, from: Data(result.output))
            #expect(report.damagedPacks.map { "\($0).khpack" } == [pack])
            #expect(report.kernels == 1 && report.packs == 1 && report.unusedPacks.isEmpty)
            let rebuilt = try HeaderStore(folder: state)
            try await rebuilt.requireWhole(other)
            try rebuilt.close()
            // Nobody takes away what another disk may read.
            #expect(try FolderListing.names(in: "\(state)/packs").contains(pack))
        }
    }
}
