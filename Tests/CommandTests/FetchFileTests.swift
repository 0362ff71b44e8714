import FoundationEssentials
import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// `kheader fetch` of files: bundles, single headers, BTF.
@Suite struct FetchFileTests {
    private static func fetch(
        _ pushed: PushedKernel, _ server: RunningServer, _ more: String...
    ) async throws -> ShellCommand.Result {
        try await run("kheader", ["fetch", "--build-id", pushed.id, "--server", server.url] + more)
    }

    private static func withKernel(_ body: (PushedKernel, RunningServer) async throws -> Void) async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            try await body(pushed, server)
        }
    }

    @Test(arguments: [(["--format", "tar.gz"], "-z"), (["--format", "tar.xz"], "-J"), ([], "--zstd")])
    func aBundleGoesToStandardOutput(format: [String], decompress: String) async throws {
        try await Self.withKernel { pushed, server in
            let arguments = ["fetch", "--build-id", pushed.id, "--server", server.url, "--output", "-"] + format
            let result = try await run("kheader", arguments)
            #expect(result.status == 0, "\(result.errors)")
            try server.folder.makeFolder("unpacked")
            try ShellCommand("tar", decompress, "-xf", "-", "-C", server.folder.path("unpacked")).output(result.output)
            #expect(try ShellCommand("diff", "-r", pushed.folder, server.folder.path("unpacked")).run().status == 0)
        }
    }

    /// The name says which kind is wanted.
    @Test func aBundleGoesToAFileAndItsNameIsPrinted() async throws {
        try await Self.withKernel { pushed, server in
            let file = server.folder.path("headers.tar")
            let result = try await Self.fetch(pushed, server, "--output", file)
            #expect(result.status == 0 && result.text == file + "\n")
            let listing = try ShellCommand("tar", "-tf", file).run()
            #expect(listing.status == 0 && listing.text.contains("include/linux/kconfig.h"))
        }
    }

    @Test(arguments: ["include/generated/utsrelease.h", "/include/generated/utsrelease.h"])
    func oneHeaderGoesToStandardOutput(path: String) async throws {
        try await Self.withKernel { pushed, server in
            let result = try await Self.fetch(pushed, server, "--source", path)
            #expect(result.status == 0)
            #expect(result.output == pushed.kernel.contents("include/generated/utsrelease.h"))
        }
    }

    @Test func aHeaderThatIsNotThereIsNotFoundAndLeavesNothing() async throws {
        try await Self.withKernel { pushed, server in
            let result = try await Self.fetch(
                pushed, server, "--source", "include/linux/none.h", "--output", server.folder.path("none.h"))
            #expect(result.status == 3 && result.output.isEmpty && result.errors.contains("(file-unknown)"))
            #expect(!server.folder.names().contains { $0.hasPrefix("none") })
        }
    }

    @Test func btfComesBackAsItWasPushed() async throws {
        try await Self.withKernel { pushed, server in
            let btf: [UInt8] = [0x9F, 0xEB, 1, 0, 24] + [UInt8](repeating: 0, count: 15) + [1, 0, 0, 0, 0]
            let file = try server.folder.write(btf, to: "btf")
            let push = try await run("kheader", "push", "--btf", file, "--build-id", pushed.id, "--server", server.url)
            #expect(push.status == 0, "\(push.errors)")
            #expect(push.text == "\(pushed.id) btf \(KernelHeaders.Digest(of: btf)) created\n")
            let fetched = try await Self.fetch(pushed, server, "--btf", "--output", "-")
            #expect(fetched.status == 0 && fetched.output == btf)
            let path = try await run(
                "kheader", "path", "--btf", "--build-id", pushed.id, "--cache", server.folder.path("cache"), "--server",
                server.url)
            #expect(path.text == server.folder.path("cache/btf/\(pushed.id)/vmlinux\n"))
            #expect(try server.folder.read("cache/btf/\(pushed.id)/vmlinux") == btf)
        }
    }

    @Test func btfThatNobodySentIsNotFound() async throws {
        try await Self.withKernel { pushed, server in
            let result = try await Self.fetch(pushed, server, "--btf", "--output", server.folder.path("btf"))
            #expect(result.status == 3 && result.output.isEmpty)
            #expect(!server.folder.names().contains("btf"))
        }
    }

    @Test(arguments: [[], ["--output", "-"], ["--source", "include/linux/kconfig.h"]])
    func tooLowARankIsRefused(kind: [String]) async throws {
        try await Self.withKernel { pushed, server in
            let place = kind.isEmpty ? ["--to", server.folder.path("tree")] : []
            let arguments = ["fetch", "--build-id", pushed.id, "--server", server.url, "--min-trust", "import"]
            let result = try await run("kheader", arguments + kind + place)
            #expect(result.status == 4 && result.output.isEmpty && result.errors.contains("(trust-too-low)"))
            #expect(server.folder.names() == ["source-\(pushed.id)", "store"])
        }
    }

    @Test func aHighEnoughRankWillDo() async throws {
        try await Self.withKernel { pushed, server in
            let result = try await Self.fetch(
                pushed, server, "--min-trust", "push", "--to", server.folder.path("tree"))
            #expect(result.status == 0, "\(result.errors)")
        }
    }

    @Test(arguments: [
        ["--btf", "--format", "tar"], ["--source", "a.h", "--btf"], ["--to", "x", "--output", "y"],
        ["--to", "x", "--btf"],
        ["--source", "../a.h"], ["--build-id", "ab", "--release", "6.1"], ["--min-trust", "unknown"],
        ["--format", "zip"],
    ])
    func whatMakesNoSenseIsUsage(arguments: [String]) async throws {
        let result = try await run("kheader", ["fetch"] + arguments)
        #expect(result.status == 2 && result.output.isEmpty, "\(result.errors)")
    }

    /// A device must not become a file: `--output /dev/null` as root would be the end of it for all.
    @Test func whatIsNoRegularFileIsWrittenTo() async throws {
        try await Self.withKernel { pushed, server in
            let link = server.folder.path("link")
            symlink("target", link)
            let linked = try await Self.fetch(pushed, server, "--source", "include/linux/kconfig.h", "--output", link)
            #expect(linked.status == 0 && linked.text == link + "\n")
            #expect(try server.folder.read("target") == pushed.kernel.contents("include/linux/kconfig.h"))
            var status = stat()
            #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
            let fifo = server.folder.path("fifo")
            mkfifo(fifo, 0o600)
            let piped = try await run(
                shell:
                    "cat \"$1\" & \"$2\" fetch --build-id \(pushed.id) --server \(server.url) --source include/linux/kconfig.h "
                    + "--output \"$1\" >&2; wait", fifo, BuiltProgram.path("kheader"))
            #expect(piped.output == pushed.kernel.contents("include/linux/kconfig.h"), "\(piped.errors)")
            #expect(lstat(fifo, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
        }
    }

    @Test(arguments: ["", "."]) func aPlaceThatIsNoFileIsAnError(place: String) async throws {
        try await Self.withKernel { pushed, server in
            let result = try await Self.fetch(pushed, server, "--output", place)
            #expect(result.status == 1 && result.output.isEmpty)
        }
    }

    /// By `script`, which gives the program a terminal.
    @Test func bytesDoNotGoToATerminal() async throws {
        try await Self.withKernel { pushed, server in
            let command =
                "\(BuiltProgram.path("kheader")) fetch --build-id \(pushed.id) --server \(server.url) --output -"
            let result = try await run(shell: "script --quiet --return --command \"$1\" /dev/null", command)
            #expect(result.status == 2 && result.text.contains("Standard output is a terminal"))
        }
    }
}
