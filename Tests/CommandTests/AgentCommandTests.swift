import FoundationEssentials
import HeaderArchive
import HeaderStore
import HostAgent
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// The agent on hosts that are folders: the files of `/sys` and `/proc` that it reads, below a root of their own.
@Suite struct AgentCommandTests {
    private static let id = "00112233445566778899aabbccddeeff00112233"
    private static let boot = "7b0f8a52-2a4b-4f0e-9d7c-0b1d3f6a9c11"
    /// Nobody listens there: the port is reserved (RFC 863's is below it), and only root could.
    private static let nowhere = "http://127.0.0.1:1"

    /// A host whose kernel offers its headers, and BTF.
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
        try folder.write("\(boot)\n".utf8, to: "host/proc/sys/kernel/random/boot_id")
        try folder.write("0123456789abcdef0123456789abcdef\n".utf8, to: "host/etc/machine-id")
        if withArchive {
            try kernel.write(to: folder.path("tree"))
            try ShellCommand(
                "tar", "-C", folder.path("tree"), "-cJf", folder.path("host/sys/kernel/kheaders.tar.xz"), "."
            )
            .output()
            try folder.write(SmallBTF.bytes(), to: "host/sys/kernel/btf/vmlinux")
        }
        try folder.write([], to: "spool/keep")
        return (folder.path("host"), kernel)
    }

    /// Runs the agent on a host of ``makeHost(_:withArchive:)``.
    private func agent(_ folder: TemporaryFolder, _ arguments: String...) async throws -> ShellCommand.Result {
        try await run("kheader-agent", arguments + ["--root", folder.path("host"), "--spool", folder.path("spool")])
    }

    @Test func uploadsOnceThenHasNothingToDo() async throws {
        try await withRunningServer { server in
            let host = try Self.makeHost(server.folder)
            for words in ["uploaded", "have (agreed)"] {
                let result = try await agent(server.folder, "run", "--server", server.url)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.errors.contains("headers: \(words)") && result.errors.contains("btf: \(words)"))
                #expect(result.output.isEmpty)
            }
            let kernel = try await server.store.kernel(try #require(BuildID(Self.id)))
            #expect(kernel.source == .agent && kernel.hosts == 1)
            #expect(kernel.identity.release == host.kernel.release)
            #expect(kernel.treeDigest == (try host.kernel.manifest.digest))
            #expect(kernel.btfBytes == SmallBTF.bytes().count)
        }
    }

    @Test func printsWhatCameOfIt() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            let result = try await agent(server.folder, "run", "--json", "--server", server.url)
            let report = try JSONDecoder().decode(CheckInReport.self, from: Data(result.output))
            #expect("\(report.kernel.buildID)" == Self.id && report.bootID == Self.boot)
            #expect(report.steps.map(\.origin) == HeaderOrigin.allCases)
            #expect(report.steps.first?.outcome == .usable)
            #expect(report.results.map(\.outcome) == [.uploaded, .uploaded])
            // The machine's own ID stays on it.
            #expect(!result.text.contains("0123456789abcdef0123456789abcdef"))
        }
    }

    @Test func aKernelWithoutHeadersIsReportedAllTheSame() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder, withArchive: false)
            let result = try await agent(server.folder, "run", "--server", server.url)
            #expect(result.status == 3)
            #expect(result.errors.contains("is reported. headers: nothing."))
            let problem = await #expect(throws: Problem.self) {
                try await server.store.kernel(try #require(BuildID(Self.id)))
            }
            #expect(problem?.code == .kernelHasNoHeaders)
        }
    }

    /// A URL without its proxy's prefix: that nothing was reported is not told as if only headers were lacking.
    @Test func aServerThatKnowsNoCheckInsIsAFailure() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder, withArchive: false)
            let result = try await agent(server.folder, "run", "--json", "--server", "\(server.url)/prefix")
            #expect(result.status == 4 && result.text.contains(#""exitCode":4"#), "\(result.text) \(result.errors)")
        }
    }

    @Test func aHostWithOtherHeadersIsToldSo() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            #expect(try await agent(server.folder, "run", "--server", server.url).status == 0)
            try ShellCommand(
                "tar", "-C", server.folder.path("tree"), "-cJf",
                server.folder.path("host/sys/kernel/kheaders.tar.xz"), "./include"
            ).output()
            let result = try await agent(server.folder, "run", "--server", server.url)
            #expect(result.status == 4)
            #expect(result.errors.contains("headers: conflict (digest-differs)"))
        }
    }

    @Test func whatCouldNotBeReportedIsRememberedUntilItIs() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            func status() async throws -> CInt { CInt(try await agent(server.folder, "status").status) }
            let early = try await agent(server.folder, "run", "--unreported", "--server", Self.nowhere)
            #expect(early.status == 0, "nothing has failed yet: nobody is asked")
            #expect(try await status() == 0)
            let failed = try await agent(server.folder, "run", "--server", Self.nowhere, "--total-time", "1s")
            #expect(failed.status == 5)
            #expect(try await status() == 1)
            let mended = try await agent(server.folder, "run", "--unreported", "--server", server.url)
            #expect(mended.status == 0 && mended.errors.contains("uploaded"))
            #expect(try await status() == 0)
            #expect(try FolderListing.names(in: server.folder.path("spool")) == ["keep"])
        }
    }

    @Test func aServerThatNeverAnswersTakesNoMoreThanTheTime() async throws {
        try await withTemporaryFolder { folder in
            _ = try Self.makeHost(folder)
            // Takes connections, by the kernel's own backlog, and says nothing.
            let listener = try SilentListener()
            let result = try await agent(
                folder, "run", "--server", "http://127.0.0.1:\(listener.port)", "--total-time", "1s")
            #expect(result.status == 5)
            #expect(result.errors.contains("(time-limit)"))
        }
    }

    @Test func staysAndIsEndedByASignal() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            let result = try await run(
                shell: """
                    mkfifo "$4/fifo"
                    "$1" run --every 6h --json --server "$2" --root "$3" --spool "$4" > "$4/fifo" 2>/dev/null &
                    read -r line < "$4/fifo"
                    kill -TERM $!
                    wait $!
                    echo "$? $line"
                    """, BuiltProgram.path("kheader-agent"), server.url, server.folder.path("host"),
                server.folder.path("spool"))
            #expect(result.text.hasPrefix("143 {") && result.text.contains(#""outcome":"uploaded""#))
        }
    }

    @Test func settingsComeFromAFileToo() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            try server.folder.write("KHEADER_URLS=\(server.url)\n".utf8, to: "agent.conf")
            let result = try await agent(server.folder, "run", "--config", server.folder.path("agent.conf"))
            #expect(result.status == 0 && result.errors.contains("uploaded"))
            try server.folder.write("KHEADER_URL=\(server.url)\n".utf8, to: "agent.conf")
            let wrong = try await agent(server.folder, "run", "--config", server.folder.path("agent.conf"))
            #expect(wrong.status == 2 && wrong.errors.contains("Line 1 of"))
        }
    }

    @Test(arguments: [
        ["run", "--every", "1s"], ["run", "--total-time", "never"], ["run", "--server", "nonsense"],
        ["collect", "--output", "-", "--json"], ["run", "--config", "/nowhere"],
    ])
    func whatMakesNoSenseIsUsage(arguments: [String]) async throws {
        #expect(try await run("kheader-agent", arguments).status == 2)
    }

    @Test func collectsForAHostThatReachesNoServer() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            let (root, output) = (server.folder.path("host"), server.folder.path("collected"))
            let result = try await run(
                "kheader-agent", "collect", "--root", root, "--output", output, "--btf", server.folder.path("btf"))
            #expect(result.status == 0)
            #expect(result.text == Self.id + "\n")
            #expect(
                try server.folder.read("collected") == server.folder.read("host/sys/kernel/kheaders.tar.xz"))
            #expect(try server.folder.read("btf") == SmallBTF.bytes())
            let pushed = try await run("kheader", "push", output, "--build-id", Self.id, "--server", server.url)
            #expect(pushed.status == 0)
            let piped = try await run(
                shell: #""$1" collect --root "$2" --output - | cmp - "$3""#,
                BuiltProgram.path("kheader-agent"), root, output)
            #expect(piped.status == 0, "\(piped.text)")
        }
    }

    @Test func withNothingToCollectItSaysWhereItLooked() async throws {
        try await withTemporaryFolder { folder in
            _ = try Self.makeHost(folder, withArchive: false)
            let result = try await run(
                "kheader-agent", "collect", "--root", folder.path("host"), "--output", folder.path("collected"))
            #expect(result.status == 3 && result.output.isEmpty)
            for origin in HeaderOrigin.allCases { #expect(result.errors.contains("\(origin.rawValue): missing")) }
            #expect(try FolderListing.names(in: folder.path("")).contains("collected") == false)
        }
    }

    @Test func theDoctorShowsEachPlaceAndEachServer() async throws {
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder)
            let result = try await agent(server.folder, "doctor", "--server", server.url, "--server", Self.nowhere)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.text.contains(Self.id))
            #expect(result.text.contains("/sys/kernel/kheaders.tar.xz: has them"))
            #expect(result.text.contains("\(server.url): answers, and takes sightings"))
            #expect(result.text.contains("\(Self.nowhere): "))
            #expect(!result.text.contains("would not be remembered"))
            let first = try await run(
                "kheader-agent", "doctor", "--server", server.url, "--root", server.folder.path("host"), "--spool",
                server.folder.path("later"))
            let words = first.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("\(server.folder.path("later")) is not there yet: the first check-in makes it"))
            #expect(!result.text.contains("clock is"))
            // Nothing was noted.
            #expect(try await server.store.status().hosts == 0)
            let away = try await agent(server.folder, "doctor", "--server", Self.nowhere, "--json")
            #expect(away.status == 5 && away.text.contains(#""isUsable" : false"#))
        }
        try await withRunningServer { server in
            _ = try Self.makeHost(server.folder, withArchive: false)
            #expect(try await agent(server.folder, "doctor", "--server", server.url).status == 3)
            // Which is known when a check-in fails, too.
            #expect(try await agent(server.folder, "doctor", "--server", Self.nowhere).status == 5)
        }
    }

    /// The reader of plain arguments stands beside the parser's list of options: what one knows the other does, too.
    @Test func whatHelpListsIsReadInItsPlainFormToo() async throws {
        let help = try await run("kheader-agent", "run", "--help")
        let options = help.text.split(separator: "\n").compactMap { line -> (name: String, takesValue: Bool)? in
            let words = line.split(separator: " ").map { String($0) }
            guard line.hasPrefix("  -"), let index = words.firstIndex(where: { $0.hasPrefix("--") }) else { return nil }
            return (words[index], words.dropFirst(index + 1).first?.hasPrefix("<") ?? false)
        }.filter { !["--help", "--version"].contains($0.name) }
        #expect(options.count == 11)
        for option in options {
            let words = [option.name] + (option.takesValue ? ["value"] : [])
            #expect(RunArguments(plain: words[...]) != RunArguments(), "\(option.name)")
            #expect(RunArguments(plain: words[...]) != nil, "\(option.name)")
        }
    }
}
