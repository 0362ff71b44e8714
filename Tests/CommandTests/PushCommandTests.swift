import FoundationEssentials
import Glibc
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@Suite struct PushCommandTests {
    @Test func aFolderAnArchiveAndAPairAreOneTree() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            let digest = try await pushed.push(to: server)
            try ShellCommand("tar", "-C", pushed.folder, "-cJf", server.folder.path("headers"), "./include", "./arch")
                .output()
            let archive = try await run(
                "kheader", "push", server.folder.path("headers"), "--build-id", pushed.id, "--server", server.url)
            #expect(archive.text == "\(pushed.id) \(digest) known\n")
            let isGenerated = { (path: String) in path.contains("/generated/") }
            try pushed.kernel.write(to: server.folder.path("source"), where: { !isGenerated($0) })
            try pushed.kernel.write(to: server.folder.path("build"), where: isGenerated)
            let pair = try await run(
                "kheader", "push", server.folder.path("source"), "--build-dir", server.folder.path("build"),
                "--build-id",
                pushed.id, "--server", server.url)
            #expect(pair.text == "\(pushed.id) \(digest) known\n")
        }
    }

    @Test func theReceiptIsJSONForPrograms() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            let result = try await run(
                "kheader", "push", pushed.folder, "--build-id", pushed.id, "--format", "json", "--server", server.url)
            let receipt = try JSONDecoder().decode(IngestReceipt.self, from: Data(result.output))
            #expect(receipt.treeDigest == (try pushed.kernel.manifest.digest))
            #expect(receipt.newBlobs > 0)
        }
    }

    @Test func anotherTreeForTheKernelIsRefused() async throws {
        try await withRunningServer { server in
            try await PushedKernel(in: server.folder).push(to: server)
            let other = try PushedKernel(SmallKernel(revision: 2, hasLargeFile: false), id: "other", in: server.folder)
            let result = try await run(
                "kheader", "push", other.folder, "--build-id", "0123abcd", "--server", server.url)
            #expect(result.status == 4)
            #expect(result.errors.contains("(tree-conflict)"))
            let list = try await run("kheader", "kernels", "list", "--format", "json", "--server", server.url)
            let kernels = try JSONDecoder().decode([KernelSummary].self, from: Data(list.output))
            #expect(kernels.map(\.conflicts) == [1])
        }
    }

    /// The server would keep it as the kernel's only tree.
    @Test(arguments: [
        "include/linux/kconfig.h", "include/generated/autoconf.h", "include/uapi/linux/input-event-codes.h",
    ])
    func aPartOfATreeIsSentOnlyIfThatIsSaid(missing: String) async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try #require(unlink("\(pushed.folder)/\(missing)") == 0)
            let push = ["push", pushed.folder, "--build-id", pushed.id, "--server", server.url]
            let refused = try await run("kheader", push)
            #expect(refused.status == 1 && refused.output.isEmpty)
            #expect(refused.errors.contains("--incomplete") && refused.errors.contains("Nothing was sent"))
            #expect(refused.errors.contains(missing.split(separator: "/").last ?? "?"), "\(refused.errors)")
            #expect(try await server.store.kernels(limit: 1).kernels.isEmpty)
            let sent = try await run("kheader", push + ["--incomplete"])
            #expect(sent.status == 0 && sent.text.hasSuffix(" created\n"))
            #expect(sent.errors.contains("Warning: \(pushed.folder) looks like a part of a tree: "))
        }
    }

    @Test func emptyFilesAreNamedAndSent() async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            for number in 1...20 { try TemporaryFolder.write([], to: "\(pushed.folder)/include/linux/none\(number).h") }
            try server.folder.write([], to: "source-\(pushed.id)/include/config/smp.h")
            let result = try await run(
                "kheader", "push", pushed.folder, "--build-id", pushed.id, "--server", server.url)
            #expect(result.status == 0)
            let warning = try #require(
                result.errors.split(separator: "\n").first { $0.hasPrefix("Warning: empty in ") })
            #expect(warning.contains("include/linux/none1.h; ") && !warning.contains("include/config/"))
            #expect(warning.split(separator: "; ").count == 9 && warning.hasSuffix(" more."))
        }
    }

    @Test func aHostileArchiveIsRefusedWithItsCode() async throws {
        try await withRunningServer { server in
            try server.folder.write("this is no archive".utf8, to: "headers.tar.xz")
            let result = try await run(
                "kheader", "push", server.folder.path("headers.tar.xz"), "--build-id", "aa", "--server", server.url)
            #expect(result.status == 4)
            #expect(result.errors.contains("(archive-format-unknown)"))
        }
    }

    @Test func whichKernelMustBeSaid() async throws {
        try await withTemporaryFolder { folder in
            let result = try await run("kheader", "push", folder.path)
            #expect(result.status == 2)
            #expect(result.errors.contains("--build-id"))
        }
    }
}
