import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// The agent on hosts that are folders: the files of `/sys` and `/proc` that it reads, below a root of their own.
@Suite struct AgentCommandTests {
    private static let id = "00112233445566778899aabbccddeeff00112233"

    /// A host whose kernel offers its headers.
    private static func makeHost(_ folder: TemporaryFolder, withArchive: Bool = true) throws -> (
        root: String, kernel: SmallKernel
    ) {
        let kernel = SmallKernel(hasLargeFile: false)
        // One note: name "GNU", 20 bytes of build ID, type 3.
        let descriptor = (0...19).map { UInt8($0 % 16 * 0x11) }
        let note = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0] + Array("GNU\0".utf8) + descriptor
        try folder.write(note, to: "host/sys/kernel/notes")
        try folder.write("\(kernel.release)\n".utf8, to: "host/proc/sys/kernel/osrelease")
        try folder.write("#1 SMP\n".utf8, to: "host/proc/sys/kernel/version")
        if withArchive {
            try kernel.write(to: folder.path("tree"))
            try ShellCommand(
                "tar", "-C", folder.path("tree"), "-cJf", folder.path("host/sys/kernel/kheaders.tar.xz"), "."
            )
            .output()
        }
        return (folder.path("host"), kernel)
    }

    @Test func uploadsOnceThenHasNothingToDo() async throws {
        try await withRunningServer { server in
            let host = try Self.makeHost(server.folder)
            for words in ["took the headers", "has the headers"] {
                let result = try await run("kheader-agent", "run", "--root", host.root, "--server", server.url)
                #expect(result.status == 0)
                #expect(result.errors.contains(words))
            }
            let kernel = try await server.store.kernel(try #require(BuildID(Self.id)))
            #expect(kernel.source == .agent)
            #expect(kernel.identity.release == host.kernel.release)
            #expect(kernel.treeDigest == (try host.kernel.manifest.digest))
        }
    }

    @Test func aKernelWithoutHeadersSaysHowToGetThem() async throws {
        try await withRunningServer { server in
            let host = try Self.makeHost(server.folder, withArchive: false)
            let result = try await run("kheader-agent", "run", "--root", host.root, "--server", server.url)
            #expect(result.status == 3)
            #expect(result.errors.contains("modprobe kheaders"))
        }
    }

    @Test func collectsForAHostThatReachesNoServer() async throws {
        try await withTemporaryFolder { folder in
            let host = try Self.makeHost(folder)
            let result = try await run(
                "kheader-agent", "collect", "--root", host.root, "--output", folder.path("collected"))
            #expect(result.status == 0)
            #expect(result.text == Self.id + "\n")
            #expect(try folder.read("collected") == folder.read("host/sys/kernel/kheaders.tar.xz"))
        }
    }
}
