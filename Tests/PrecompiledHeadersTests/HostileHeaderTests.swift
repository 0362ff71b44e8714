import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import PrecompiledHeaders

/// Headers that attack the host that compiles them. Each is refused within limits, and no byte of the host is in what
/// comes out: PCHs, messages.
@Suite struct HostileHeaderTests {
    /// What must not come out: the first line of a file of the host's, which the attacks read.
    private static let secret = "the-secret-of-this-host-6d1f"

    /// A tree with one umbrella header, `linux/evil.h`.
    private struct Tree {
        let folder: TemporaryFolder
        var path: String { folder.path("tree") }

        init(_ folder: TemporaryFolder, evil: String) throws {
            self.folder = folder
            try folder.write(Data(Self.guarded("KCONFIG", "")), to: "tree/include/linux/kconfig.h")
            try folder.write(evil.utf8, to: "tree/include/linux/evil.h")
            try folder.write(Data(Self.guarded("GOOD", "typedef int good;")), to: "tree/include/linux/good.h")
            try folder.write("\(HostileHeaderTests.secret)\n".utf8, to: "secret")
        }

        private typealias Data = [UInt8]
        private static func guarded(_ name: String, _ text: String) -> String.UTF8View {
            "#ifndef \(name)\n#define \(name)\n\(text)\n#endif\n".utf8
        }
    }

    private struct Outcome {
        var manifest: PCHManifest?
        var problem: Problem?
        var pch: [UInt8] = []
        var smoke: SmokeResult

        /// All that anybody gets to see.
        var text: String {
            String(decoding: pch, as: UTF8.self) + (problem.map { "\($0)" } ?? "")
                + (manifest.map { "\($0.leftOut)" } ?? "") + (smoke.detail ?? "")
        }
    }

    private func compile(
        _ evil: String, headers: [String] = ["linux/evil.h"], machine: String = "x86_64",
        _ change: (inout Sandbox.Limits) -> Void = { _ in }, prepare: (TemporaryFolder) throws -> Void = { _ in }
    ) async throws -> Outcome {
        try await withTemporaryFolder { folder in
            let tree = try Tree(folder, evil: evil.replacing("SECRET", with: folder.path("secret")))
            try prepare(folder)
            let clang = try await RealCompiler.clang()
            let architecture = Architecture(machine: machine)
            let order = PCHOrder(
                tree: SHA256Hash.digest(of: []), architecture: architecture, toolchain: clang.toolchain,
                profile: .clang(architecture: architecture, configuration: KernelConfiguration(autoconf: "")),
                umbrella: Umbrella(name: "evil", headers: headers))
            let sandbox = try await RealCompiler.sandbox(change)
            try folder.makeFolder("scratch")
            try folder.makeFolder("smoke")
            // The smoke program includes this one.
            try folder.write("#include <linux/evil.h>\n".utf8, to: "tree/include/linux/sched.h")
            var outcome = Outcome(
                smoke: try await SmokeCompile(sandbox: sandbox).run(
                    architecture: architecture, with: clang, tree: tree.path, scratch: folder.path("smoke"), time: 1))
            do {
                outcome.manifest = try await PCHBuilder(sandbox: sandbox).build(
                    order, with: clang, tree: tree.path, scratch: folder.path("scratch"), output: folder.path("pch"))
            } catch let problem as Problem {
                outcome.problem = problem
            }
            if access(folder.path("pch"), F_OK) == 0 { outcome.pch = try folder.read("pch") }
            return outcome
        }
    }

    private func expectRefusal(_ outcome: Outcome, _ code: ProblemCode, saying words: String) {
        #expect(outcome.problem?.code == code)
        #expect(outcome.problem?.detail.contains(words) == true, "\(outcome.problem?.detail ?? "none")")
        #expect(outcome.smoke.state == .failed)
        #expect(!outcome.text.contains(Self.secret))
        #expect(!outcome.text.contains("root:"))
    }

    // MARK: Files of the host

    @Test(arguments: ["/etc/shadow", "/etc/passwd", "SECRET", "/proc/self/environ", "/dev/zero", "/sys/kernel/notes"])
    func includesOfTheHost(_ path: String) async throws {
        let outcome = try await compile("#include \"\(path)\"\n")
        expectRefusal(outcome, .pchBuildFailed, saying: "file not found")
    }

    @Test func linksToTheHost() async throws {
        let outcome = try await compile("#include <linux/link.h>\n") { _ in
        } prepare: { folder in
            symlink(folder.path("secret"), folder.path("tree/include/linux/link.h"))
        }
        expectRefusal(outcome, .pchBuildFailed, saying: "file not found")
    }

    @Test func foldersAboveTheTree() async throws {
        let up = String(repeating: "../", count: 40)
        let outcome = try await compile("#include \"\(up)etc/passwd\"\n")
        expectRefusal(outcome, .pchBuildFailed, saying: "file not found")
    }

    /// Read by the assembler, when a program that includes the header becomes an object: the PCH has the line alone.
    @Test func assemblerThatReadsTheHost() async throws {
        let outcome = try await compile("__asm__(\".incbin \\\"SECRET\\\"\");\n")
        #expect(!outcome.text.contains(Self.secret))
        #expect(outcome.smoke.state == .failed)
        let native = try await withTemporaryFolder { folder in
            let tree = try Tree(folder, evil: "__asm__(\".incbin \\\"\(folder.path("secret"))\\\"\");\n")
            let clang = try await RealCompiler.clang()
            try folder.makeFolder("scratch")
            let compiler = try await ConfinedCompiler(
                sandbox: RealCompiler.sandbox(), toolchain: clang, profile: CompilerProfile(name: "n", flags: []),
                architecture: Architecture(machine: "x86_64"), tree: tree.path, scratch: folder.path("scratch"))
            let ending = try await compiler.withHeaders(
                ["-x", "c", "-c", "include/linux/evil.h", "-o", "-"], output: folder.path("object"))
            let object = String(decoding: try folder.read("object"), as: UTF8.self)
            return (ending, object)
        }
        #expect(!native.0.isSuccess && native.0.messages.contains("Could not find incbin file"))
        #expect(!native.1.contains(Self.secret))
    }

    /// C23's, which clang 19 has; clang 14 knows no such directive.
    @Test func embedsOfTheHost() async throws {
        try await withTemporaryFolder { folder in
            let tree = try Tree(folder, evil: "char bytes[] = {\n#embed \"\(folder.path("secret"))\"\n};\n")
            let clang = try await RealCompiler.clang(19)
            try folder.makeFolder("scratch")
            let compiler = try await ConfinedCompiler(
                sandbox: RealCompiler.sandbox(), toolchain: clang,
                profile: CompilerProfile(name: "n", flags: ["-std=c23"]),
                architecture: Architecture(machine: "x86_64"), tree: tree.path, scratch: folder.path("scratch"))
            let ending = try await compiler.withHeaders(
                ["-x", "c", "-c", "include/linux/evil.h", "-o", "-"], output: folder.path("object"))
            #expect(!ending.isSuccess && ending.messages.contains("file not found"), "\(ending.messages)")
            #expect(!String(decoding: try folder.read("object"), as: UTF8.self).contains(Self.secret))
        }
    }

    /// A pipe that nobody writes to takes no processor time, only time.
    @Test func pipes() async throws {
        let outcome = try await compile("#include <linux/pipe.h>\n") {
            $0.seconds = 2
        } prepare: { folder in
            mkfifo(folder.path("tree/include/linux/pipe.h"), 0o644)
        }
        expectRefusal(outcome, .pchLimit, saying: "2 seconds")
    }

    // MARK: Bombs

    @Test func headersThatIncludeThemselves() async throws {
        let outcome = try await compile("#include <linux/evil.h>\n")
        expectRefusal(outcome, .pchBuildFailed, saying: "#include nested too deeply")
    }

    /// Two to the thirtieth inclusions, none of them deep.
    @Test func headersThatIncludeEachOtherTwice() async throws {
        let outcome = try await compile("#include <linux/b0.h>\n") {
            $0.processorSeconds = 2
        } prepare: { folder in
            for number in 0..<30 {
                let next = "#include <linux/b\(number + 1).h>\n"
                try folder.write((next + next).utf8, to: "tree/include/linux/b\(number).h")
            }
            try folder.write("\n".utf8, to: "tree/include/linux/b30.h")
        }
        expectRefusal(outcome, .pchLimit, saying: "2 seconds of processor time")
    }

    @Test func macrosThatDouble() async throws {
        var text = "#define M0 x x x x x x x x x x\n"
        for number in 1..<30 {
            text += "#define M\(number) M\(number - 1) M\(number - 1) M\(number - 1) M\(number - 1)\n"
        }
        let outcome = try await compile(text + "int a[] = { M29 };\n") {
            $0.memoryBytes = 400 << 20
            $0.processorSeconds = 20
        }
        #expect(outcome.problem?.code == .pchLimit, "\(outcome.problem.map { "\($0)" } ?? "none")")
        #expect(outcome.smoke.state == .failed)
    }

    @Test func brackets() async throws {
        let deep = String(repeating: "(", count: 20_000) + "1" + String(repeating: ")", count: 20_000)
        let outcome = try await compile("int a = \(deep);\n")
        expectRefusal(outcome, .pchBuildFailed, saying: "bracket nesting level exceeded")
    }

    /// A PCH that is larger than one may be.
    @Test func output() async throws {
        let names = (0..<60_000).map { "struct s\($0) { int a, b, c, d; };\n" }.joined()
        let outcome = try await compile(names) { $0.outputBytes = 1 << 20 }
        #expect(outcome.problem?.code == .pchLimit, "\(outcome.problem.map { "\($0)" } ?? "none")")
        #expect(outcome.problem?.detail.contains("1048576 bytes of output") == true)
    }

    /// Messages are output, too.
    @Test func messages() async throws {
        let lines = (0..<50_000).map { "#warning line \($0) of many, to fill the disk of the host\n" }.joined()
        let outcome = try await compile(lines) { $0.outputBytes = 1 << 20 }
        #expect(outcome.problem?.code == .pchLimit, "\(outcome.problem.map { "\($0)" } ?? "none")")
        #expect((outcome.problem?.detail.utf8.count ?? .max) < 4096)
    }

    /// Who sends headers says for which machine they are, and that becomes part of flags.
    @Test(arguments: ["x86_64 -fplugin=/tmp/x", "../../tmp", "", String(repeating: "x", count: 33)])
    func machinesThatAreNoNames(_ machine: String) async throws {
        let outcome = try await compile("typedef int good;\n", machine: machine)
        #expect(outcome.problem?.code == .pchBuildFailed)
        #expect(outcome.problem?.detail.contains("that can't be one's name") == true)
        #expect(outcome.smoke.state == .failed || outcome.smoke.state == .untried)
    }

    /// The rest of an umbrella is not lost for one bad header.
    @Test func theOthersAreCompiled() async throws {
        let outcome = try await compile("#error no\n", headers: ["linux/good.h", "linux/evil.h"])
        #expect(outcome.manifest?.headers == ["linux/good.h"])
        #expect(outcome.manifest?.leftOut.map(\.header) == ["linux/evil.h"])
    }

    // MARK: What a run can see

    /// No network, no other process, nothing of the host's, nothing to write to.
    @Test func theSandboxIsEmpty() async throws {
        try await withTemporaryFolder { folder in
            let tree = try Tree(folder, evil: "")
            let sandbox = try await RealCompiler.sandbox()
            let python = try #require(await InstalledToolchain(shell: "/bin/sh", seen: ["/bin/ls", "/bin/cat"]))
            let script = """
                echo environment: ${HOME-none} ${LANG-none} ${KHEADERD_PACKAGES-none}; ls / /kernel-headers
                (echo x > /kernel-headers/new) 2>/dev/null && echo written
                (echo x > /new) 2>/dev/null && echo written
                cat /proc/self/status /etc/passwd /sys/kernel/notes 2>/dev/null
                read line < /proc/net/dev 2>/dev/null && echo network
                true
                """
            let ending = try await sandbox.run(
                python, ["-c", script],
                mounts: [Sandbox.Mount(source: tree.path, target: "/kernel-headers")], folder: "/kernel-headers",
                output: folder.path("out"))
            #expect(ending.isSuccess, "\(ending.messages)")
            let words = String(decoding: try folder.read("out"), as: UTF8.self)
            #expect(
                Set(words.split { $0.isWhitespace }.map(String.init)).subtracting(["lib", "lib64", "usr", "bin"])
                    == ["environment:", "none", "/:", "kernel-headers", "/kernel-headers:", "include"], "\(words)")
        }
    }

    /// Nor does anything stay of a run that is given up, in whatever moment of its start: bubblewrap's second process does not
    /// always end with its first.
    @Test func aRunThatIsGivenUpWhileItStartsEnds() async throws {
        try await withTemporaryFolder { folder in
            let tree = try Tree(folder, evil: "")
            mkfifo(folder.path("tree/pipe"), 0o644)
            let sandbox = try await RealCompiler.sandbox()
            let shell = try #require(await InstalledToolchain(shell: "/bin/sh", seen: []))
            for moment in 0..<60 {
                let run = Task {
                    _ = try await sandbox.run(
                        shell, ["-c", "read line < pipe"],
                        mounts: [Sandbox.Mount(source: tree.path, target: "/kernel-headers")],
                        folder: "/kernel-headers", output: folder.path("out"))
                }
                for _ in 0..<(moment * 200) { await Task.yield() }
                run.cancel()
                await #expect(throws: CancellationError.self) { try await run.value }
            }
            #expect(try RealCompiler.processesLeft(naming: folder.path) == "")
        }
    }
}

extension InstalledToolchain {
    /// A shell in the place of a clang, with some programs of the host's, to look around in the sandbox.
    fileprivate init?(shell: String, seen programs: [String]) async {
        guard let toolchain = Toolchain(versionOutput: "clang version 0\nTarget: x86_64", package: nil) else {
            return nil
        }
        var libraries: [String] = programs
        for program in [shell] + programs {
            let traced = try? ShellCommand("sh", "-c", "LD_TRACE_LOADED_OBJECTS=1 exec \"$1\"", "sh", program).run()
                .text
            for word in (traced ?? "").split(whereSeparator: { $0.isWhitespace }) where word.hasPrefix("/") {
                libraries.append(String(word))
            }
        }
        self.init(
            toolchain: toolchain, program: shell, builtinHeaders: "", libraries: Array(Set(libraries)), hasBPF: false)
    }
}
