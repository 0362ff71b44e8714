import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// What a kill can't show: that everything is on the disk itself, catalogue included, before the server says so. `strace`
/// tells in which order the system calls came.
@Suite struct CrashSyncOrderTests {
    /// Tracing may be forbidden, as it is in some containers.
    static let canTrace = (try? ShellCommand("strace", "-o", "/dev/null", "true").run().status) == 0

    @Test(.enabled(if: canTrace, "strace may not trace here"))
    func anUploadIsAnsweredWhenPackFolderAndCatalogueAreSynced() async throws {
        let kernel = try StoredKernel(id: 2, revision: 2)
        try await requireOrder(
            of: [
                ("sync(", "-pack>"), ("rename(", "/packs/"), ("sync(", "/packs>"), ("sync(", "catalogue.sqlite-wal>"),
                ("", "HTTP/1.1 201"),
            ]
        ) { await $0.put(kernel) }
    }

    @Test(.enabled(if: canTrace, "strace may not trace here"))
    func aSightingIsAnsweredWhenTheCatalogueIsSynced() async throws {
        let sighting = TestSightings.sighting()
        try await requireOrder(of: [("sync(", "catalogue.sqlite-wal>"), ("", "HTTP/1.1 200")]) {
            await $0.post(sighting)
        }
    }

    /// Sends a request to a server of its own, and looks for system calls in the order given, the answer among them.
    private func requireOrder(
        of calls: [(call: String, what: String)], _ send: (HTTPConnection) async -> Bool
    ) async throws {
        try await withTemporaryFolder { folder in
            let base = try await StoreWithKernel(try StoredKernel(id: 1, revision: 1), in: folder)
            let log = folder.path("trace")
            // With -D the server is our child, and strace is not.
            let trace = [
                "strace", "-D", "-f", "-y", "-s", "32", "-o", log, "-e",
                "trace=fsync,fdatasync,rename,write,writev,sendto,sendmsg",
            ]
            let server = try CrashingProcess(["serve", base.state, "0"], through: trace)
            #expect(try await server.ask(send)?.status ?? 500 < 300)
            guard case .lived = try await server.stop() else { throw CrashingProcess.Unexpected(description: "died") }

            let all = String(decoding: try folder.read("trace"), as: UTF8.self).split(separator: "\n")
            // What the start syncs is before this.
            let lines = all.drop { !$0.contains("listening on ") }
            var position = lines.startIndex
            for (call, what) in calls {
                let next = lines[position...].firstIndex { $0.contains(call) && $0.contains(what) }
                position = try #require(
                    next, "no \(call)…\(what) after line \(position) of\n\(lines.joined(separator: "\n"))")
            }
        }
    }
}
