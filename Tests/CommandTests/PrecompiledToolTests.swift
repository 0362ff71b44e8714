import FoundationEssentials
import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import PrecompiledHeaders
import Testing

/// A real kernel, and its PCHs by Debian's clang 14, for all tests of a suite. The server is the real one for all but PCHs:
/// these come from a stand-in, so that a test can have bad ones, too.
private struct PrecompiledKernel: SuiteTrait, TestScoping {
    struct Stored: Sendable {
        let id: String
        let url: String
        let away: String
        let clang: String

        /// A host of its own, with nothing in its cache.
        func options(_ folder: TemporaryFolder, server: String? = nil) -> [String] {
            ["--build-id", id, "--cache", folder.path("cache"), "--server", server ?? url]
        }
    }

    @TaskLocal static var current: Stored?

    func provideScope(for test: Test, testCase: Test.Case?, performing body: () async throws -> Void) async throws {
        try await withRunningServer { server in
            let id = try await RealPackages.importKernel(to: server)
            let maker = try await Maker(id, server)
            var answers: [String: StandInServer.Answer] = [:]
            try await maker.make(.sched, maker.clangProfile, into: &answers)
            let library = try #require(BCCLibrary.find())
            try await maker.make(.sched, library.profile, into: &answers)
            // What a server should never give, as umbrellas of their own.
            for profile in [maker.clangProfile.name, "\(library.profile.id)"] {
                let good = maker.path(profile, "sched")
                let manifest = try #require(answers[good + "/manifest.json"])
                let foreign = try maker.foreignPCH()
                var lie = try JSONDecoder().decode(PCHManifest.self, from: Data(manifest.body))
                lie.umbrella = "foreign"
                lie.key = SHA256Hash.digest(of: Array("foreign \(profile)".utf8))
                (lie.digest, lie.bytes) = (SHA256Hash.digest(of: foreign), foreign.count)
                answers[maker.path(profile, "foreign") + "/manifest.json"] = .json(lie)
                answers[maker.path(profile, "foreign")] = .init(200, foreign)
                answers[maker.path(profile, "broken") + "/manifest.json"] = .problem(
                    .pchBuildFailed, "include/linux/sched.h:1:1: error: unknown type name 'x'")
            }
            let list = ToolchainList(
                toolchains: [
                    .init(
                        toolchain: maker.clang.toolchain,
                        profiles: [.init(name: maker.clangProfile.name, id: maker.clangProfile.id)])
                ],
                umbrellas: ["sched", "foreign", "broken"].map {
                    Umbrella(name: $0, headers: Umbrella.sched.headers + ($0 == "sched" ? [] : ["only/in.\($0)"]))
                } + [Umbrella(name: "all", headers: Umbrella.all.headers)], off: nil)
            // Nothing can be seen of some programs: they get the largest.
            for profile in [maker.clangProfile.name, "\(library.profile.id)"] {
                for suffix in ["", "/manifest.json"] {
                    var answer = try #require(answers[maker.path(profile, "sched") + suffix])
                    if !suffix.isEmpty {
                        var manifest = try JSONDecoder().decode(PCHManifest.self, from: Data(answer.body))
                        manifest.umbrella = "all"
                        manifest.key = SHA256Hash.digest(of: Array("all \(profile)".utf8))
                        answer = .json(manifest)
                    }
                    answers[maker.path(profile, "all") + suffix] = answer
                }
            }
            answers["/v1/toolchains"] = .json(list)
            let all = answers
            try await withStandIn { request in
                all[request.target] ?? .redirect(server.url + request.target)
            } _: { standIn in
                let stored = Stored(
                    id: id, url: standIn.url, away: "unix:\(server.folder.path("nobody"))", clang: maker.clang.program)
                try await Self.$current.withValue(stored, operation: body)
            }
        }
    }

    /// Makes PCHs as a server does.
    private struct Maker {
        let id: BuildID
        let folder: TemporaryFolder
        let tree: String
        let digest: KernelHeaders.Digest
        let clang: InstalledToolchain
        let architecture = Architecture(machine: "x86_64")
        let builder: PCHBuilder

        var clangProfile: CompilerProfile {
            .clang(architecture: architecture, configuration: KernelConfiguration(tree: tree))
        }

        init(_ id: String, _ server: RunningServer) async throws {
            self.id = try #require(BuildID(id))
            folder = server.folder
            let path = try await run(
                "kheader", "path", "--build-id", id, "--cache", folder.path("maker"), "--server", server.url)
            try #require(path.status == 0, "\(path.errors)")
            tree = String(path.text.dropLast())
            let summary: KernelSummary = try await server.get("/v1/kernels/\(id)").decoded()
            digest = summary.treeDigest
            let found = await InstalledToolchain(program: "/usr/bin/clang-14")
            clang = try #require(found, "clang-14 is missing; make test-deps installs it")
            builder = PCHBuilder(sandbox: try await Sandbox.find())
        }

        func path(_ profile: String, _ umbrella: String) -> String {
            APIPath.pch(id, toolchain: clang.toolchain.id, profile: profile, umbrella: umbrella)
        }

        func make(
            _ umbrella: Umbrella, _ profile: CompilerProfile, into answers: inout [String: StandInServer.Answer]
        ) async throws {
            let order = PCHOrder(
                tree: digest, architecture: architecture, toolchain: clang.toolchain, profile: profile,
                umbrella: umbrella)
            let scratch = try folder.makeFolder("scratch-\(order.key)")
            let output = folder.path("pch-\(order.key)")
            let manifest = try await builder.build(order, with: clang, tree: tree, scratch: scratch, output: output)
            let name = profile.isFoundByName ? "\(profile.id)" : profile.name
            let place = path(name, umbrella.name)
            answers[place + "/manifest.json"] = .json(manifest)
            answers[place] = .init(200, try FileSource(path: output).readAll())
        }

        /// Swift's own clang is there wherever the tests run, and is another.
        func foreignPCH() throws -> [UInt8] {
            let header = try folder.write("int foreign;\n".utf8, to: "foreign.h")
            let script = """
                clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
                exec "$clang" -x c-header -O2 "$1" -o "$2"
                """
            try ShellCommand("sh", "-c", script, "sh", header, folder.path("foreign.pch")).output()
            return try folder.read("foreign.pch")
        }
    }
}

/// Debian's clang 14 and its bcc, unchanged, with PCHs of a real kernel's headers.
@Suite(.enabled(if: RealPackages.folder != nil), PrecompiledKernel()) struct PrecompiledToolTests {
    private let kernel: PrecompiledKernel.Stored

    init() throws { kernel = try #require(PrecompiledKernel.current) }

    private static let sizes = "#include <linux/sched.h>\nint size[sizeof(struct task_struct)];\n"

    /// Without what the tester's own environment says of headers.
    private static func plain(_ words: [String]) async throws -> ShellCommand.Result {
        let script =
            "unset BCC_KERNEL_SOURCE BCC_LINUX_VERSION_CODE BPFTRACE_KERNEL_SOURCE BPFTRACE_KERNEL_BUILD ARCH; exec \"$@\""
        return try await run(command: ShellCommand("sh", ["-c", script, "sh"] + words))
    }

    /// `kheader exec` on a host with nothing in its cache.
    private func exec(
        _ folder: TemporaryFolder, _ options: [String], server: String? = nil, _ command: [String]
    ) async throws -> ShellCommand.Result {
        try await Self.plain(
            [BuiltProgram.path("kheader"), "exec"] + options + kernel.options(folder, server: server) + ["--"] + command
        )
    }

    private func clang(_ file: String, _ more: String...) -> [String] {
        [kernel.clang, "-O2", "-S", "-emit-llvm", "-o", "-", file] + more
    }

    /// What the compiler says of `size`.
    private static func size(_ result: ShellCommand.Result) -> String? {
        result.text.split(separator: "\n").first { $0.hasPrefix("@size = ") }.map(String.init)
    }

    private static func hasHeaders(_ folder: TemporaryFolder, _ id: String = "") -> Bool {
        access(folder.path("cache/headers/\(id)"), F_OK) == 0
    }

    private static func lines(_ text: String) -> [Substring] {
        text.split(separator: "\n").filter { $0.hasPrefix("kheader: ") }
    }

    // MARK: Without a header on disk

    @Test func clangCompilesWithoutAHeader() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            let result = try await exec(folder, ["--pch", "--no-headers"], clang(file))
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(!Self.hasHeaders(folder))
            // Again, with no server.
            let again = try await exec(folder, ["--pch", "--no-headers"], server: kernel.away, clang(file))
            #expect(again.status == 0 && again.output == result.output, "\(again.errors)")
            let full = try await exec(folder, ["--pch"], clang(file, "-DCONFIG_KCOV=1"))
            let size = try #require(Self.size(result))
            #expect(Self.size(full) != size)
        }
    }

    private static let bccProgram = """
        import bcc, sys
        text = "#include <linux/sched.h>\\nint f(void *context) { return sizeof(struct task_struct); }"
        print(list(bcc.BPF(text=text).dump_func("f")))
        """

    @Test func bccCompilesWithoutAHeader() async throws {
        try await withTemporaryFolder { folder in
            let program = try folder.write(Self.bccProgram.utf8, to: "p.py")
            let command = ["/usr/bin/python3", program]
            let result = try await exec(folder, ["--pch", "--no-headers"], command)
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(!Self.hasHeaders(folder))
            // The very code that it is with the headers.
            let full = try await exec(folder, [], command)
            #expect(full.status == 0 && full.output == result.output && Self.hasHeaders(folder), "\(full.errors)")
        }
    }

    /// Whether this is root, and may load programs into the kernel and mount what bcc reads of tracepoints.
    private static let canTrace =
        (try? ShellCommand("unshare", "-m", "mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing").run().status)
        == 0

    /// A program that was compiled with the PCH of one kernel, and no header, runs in another, as it reads nothing there.
    @Test(.enabled(if: canTrace, "no BPF here")) func aTracepointProgramCounts() async throws {
        try await withTemporaryFolder { folder in
            let program = try folder.write(
                """
                import bcc, os
                text = '''
                #include <linux/sched.h>
                BPF_ARRAY(count, u64, 1);
                TRACEPOINT_PROBE(sched, sched_switch) {
                    int key = 0;
                    struct task_struct *task = (void *)bpf_get_current_task();
                    u64 *value = count.lookup(&key);
                    if (value && task) __sync_fetch_and_add(value, 1);
                    return 0;
                }'''
                program = bcc.BPF(text=text)
                for _ in range(100): os.system("true")
                print(program["count"][0].value)
                """.utf8, to: "count.py")
            let mount = "mount -t tracefs tracefs /sys/kernel/tracing; exec \"$@\""
            let command = ["unshare", "-m", "sh", "-c", mount, "sh", "/usr/bin/python3", program]
            let result = try await exec(folder, ["--pch", "--no-headers"], command)
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(Int(result.text.dropLast()) ?? 0 > 0, "\(result.text)")
            #expect(!Self.hasHeaders(folder))
        }
    }

    @Test func toolsGetTheVariables() async throws {
        try await withTemporaryFolder { folder in
            let command = ["sh", "-c", "env | grep -E '^(KHEADER_(TREE|BUILD)|BCC_|BPFTRACE_)' | sort"]
            let result = try await exec(folder, ["--pch", "--umbrella", "all"], command)
            let tree = folder.path("cache/headers/\(kernel.id)/tree")
            let key = try #require(folder.names(in: "cache/pch/\(kernel.id)").first)
            #expect(
                result.text.split(separator: "\n") == [
                    "BCC_KERNEL_SOURCE=\(folder.path("cache/pch/\(kernel.id)/\(key)/stubs"))",
                    "BPFTRACE_KERNEL_BUILD=\(tree)", "BPFTRACE_KERNEL_SOURCE=\(tree)", "KHEADER_BUILD_ID=\(kernel.id)",
                    "KHEADER_TREE=\(tree)",
                ], "\(result.errors)")
            let without = try await exec(folder, ["--pch", "--umbrella", "all", "--no-headers"], command)
            #expect(without.text.split(separator: "\n").count == 2)
        }
    }

    // MARK: What a PCH can't serve

    /// The result is that of the full headers, and the user is told once.
    private func expectFullHeaders(
        _ command: [String], _ options: [String] = [], words: String, in folder: TemporaryFolder,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let full = try await exec(folder, command[0] == kernel.clang ? ["--pch", "--umbrella", "none"] : [], command)
        let result = try await exec(folder, ["--pch"] + options, command)
        #expect(result.status == full.status && result.output == full.output, sourceLocation: sourceLocation)
        let told = Self.lines(result.errors)
        #expect(
            told.count == 1 && told.first?.contains(words) == true, "\(result.errors)", sourceLocation: sourceLocation)
        let others = result.errors.split(separator: "\n").filter { !$0.hasPrefix("kheader: ") }
        let theirs = full.errors.split(separator: "\n").filter { !$0.hasPrefix("kheader: ") }
        #expect(others == theirs, sourceLocation: sourceLocation)
    }

    @Test func macrosBeforeIncludesAreSeenInTheText() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("#define CONFIG_KCOV 1\n\(Self.sizes)".utf8, to: "p.c")
            try await expectFullHeaders(
                clang(file), words: "it defines or undefines CONFIG_KCOV before it includes linux/sched.h", in: folder)
            let program = Self.bccProgram.replacing("\"#include", with: "\"#define CONFIG_KCOV 1\\n#include")
            let script = try folder.write(program.utf8, to: "p.py")
            try await expectFullHeaders(["/usr/bin/python3", script], words: "CONFIG_KCOV", in: folder)
        }
    }

    /// Of what can't be seen, the PCH's own guard makes an error.
    @Test func macrosThatCanNotBeSeenAreRefusedByTheCompiler() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            try await expectFullHeaders(
                clang(file, "-DCONFIG_KCOV=1"), words: "running it again with the full headers", in: folder)
            let program = Self.bccProgram.replacing("\"#include", with: "\"#def\" + \"ine CONFIG_KCOV 1\\n#include")
            let script = try folder.write(program.utf8, to: "p.py")
            try await expectFullHeaders(["/usr/bin/python3", script], words: "can't serve this program (", in: folder)
        }
    }

    @Test func headersOutsideTheUmbrella() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("#include <linux/kthread.h>\n\(Self.sizes)".utf8, to: "p.c")
            try await expectFullHeaders(clang(file), words: "it includes linux/kthread.h, which", in: folder)
            let hidden = Self.bccProgram.replacing("\"#include", with: "\"#inc\" + \"lude <linux/kthread.h>\\n#include")
            let script = try folder.write(hidden.utf8, to: "p.py")
            try await expectFullHeaders(
                ["/usr/bin/python3", script], words: "'linux/kthread.h' file not found", in: folder)
        }
    }

    @Test func aPCHOfAnotherClang() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            let options = ["--umbrella", "foreign"]
            try await expectFullHeaders(
                clang(file), options, words: "running it again with the full headers", in: folder)
            let script = try folder.write(Self.bccProgram.utf8, to: "p.py")
            try await expectFullHeaders(
                ["/usr/bin/python3", script], options, words: "running it again with the full headers", in: folder)
        }
    }

    @Test(arguments: ["flipped", "truncated"]) func aDamagedPCHIsNeverUsed(_ how: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            let good = try await exec(folder, ["--pch"], clang(file))
            #expect(good.status == 0 && good.errors.isEmpty, "\(good.errors)")
            func damage() throws {
                let key = try #require(folder.names(in: "cache/pch/\(kernel.id)").first)
                let path = folder.path("cache/pch/\(kernel.id)/\(key)/sched.pch")
                chmod(path, 0o644)
                if how == "truncated" { return _ = truncate(path, 1 << 20) }
                let descriptor = open(path, O_RDWR)
                defer { close(descriptor) }
                var byte: UInt8 = 0
                pread(descriptor, &byte, 1, 1 << 20)
                byte ^= 0x10
                pwrite(descriptor, &byte, 1, 1 << 20)
            }
            try damage()
            // It is fetched again.
            let again = try await exec(folder, ["--pch"], clang(file))
            #expect(again.status == 0 && again.output == good.output)
            #expect(Self.lines(again.errors).count == 1 && again.errors.contains("was damaged, and is not used"))
            try damage()
            // From nobody.
            let away = try await exec(folder, ["--pch"], server: kernel.away, clang(file))
            #expect(away.status == 0 && Self.size(away) == Self.size(good))
            #expect(
                away.errors.contains("No PCH, but the full headers: ") && away.errors.contains("(server-unreachable)"))
        }
    }

    /// A user's own mistake is told by the compiler, and once.
    /// While a tool has a PCH, only the tree's folders are looked at; before it has the headers, each file is.
    @Test func aDamagedTreeIsNeverUsed() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            // The PCH refuses the one, and serves the other.
            let (refused, served) = (clang(file, "-DCONFIG_KCOV=1"), clang(file))
            let good = try await exec(folder, ["--pch"], refused)
            #expect(good.status == 0, "\(good.errors)")
            let tree = folder.path("cache/headers/\(kernel.id)/tree")
            func damage() throws {
                // Of the same size, and no new name: no folder changes.
                let path = "\(tree)/include/linux/sched.h"
                let size = try FileSource(path: path).readAll().count
                chmod(path, 0o644)
                try TemporaryFolder.write([UInt8](repeating: 10, count: size), to: path)
                chmod(path, 0o444)
            }
            try damage()
            let mended = try await exec(folder, ["--pch"], refused)
            #expect(mended.status == 0 && mended.output == good.output, "\(mended.errors)")
            #expect(mended.errors.contains("was damaged, and is not used"), "\(mended.errors)")

            try damage()
            let unseen = try await exec(folder, ["--pch"], served)
            #expect(unseen.status == 0 && unseen.errors.isEmpty, "\(unseen.errors)")
            let away = try await exec(folder, ["--pch"], server: kernel.away, refused)
            #expect(away.status == 5 && away.output.isEmpty, "\(away.errors)")
            #expect(away.errors.contains("was damaged, and is not used") && !Self.hasHeaders(folder, kernel.id))

            // What is missing is seen in any case.
            _ = try await exec(folder, [], ["true"])
            chmod("\(tree)/include/linux", 0o755)
            unlink("\(tree)/include/linux/sched.h")
            let again = try await exec(folder, ["--pch"], served)
            #expect(again.status == 0 && again.output == unseen.output, "\(again.errors)")
            #expect(again.errors.contains("was damaged, and is not used"), "\(again.errors)")
        }
    }

    @Test func mistakesOfTheProgramAreTheUsers() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("\(Self.sizes)int f(void) { return nothing; }\n".utf8, to: "p.c")
            try await expectFullHeaders(
                clang(file), words: "(\(file):3:22: error: use of undeclared identifier 'nothing')", in: folder)
            let without = try await exec(folder, ["--pch", "--no-headers"], clang(file))
            #expect(without.status == 1 && without.errors.contains("error: use of undeclared identifier"))
            #expect(Self.lines(without.errors).isEmpty)
        }
    }

    @Test func withoutAPCHAndWithoutHeadersItFails() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            let broken = try await exec(folder, ["--pch", "--no-headers", "--umbrella", "broken"], clang(file))
            #expect(broken.status == 3 && broken.output.isEmpty)
            #expect(
                broken.errors == "kheader: include/linux/sched.h:1:1: error: unknown type name 'x' (pch-build-failed)\n"
            )
            try await expectFullHeaders(clang(file), ["--umbrella", "broken"], words: "(pch-build-failed)", in: folder)
        }
    }

    // MARK: Tools

    @Test func bpftraceGetsTheHeaders() async throws {
        try await withTemporaryFolder { folder in
            let script = try folder.write(
                "#!/bin/sh\necho \"$BPFTRACE_KERNEL_SOURCE\"\n".utf8, to: "bpftrace", mode: 0o755)
            let result = try await exec(folder, ["--pch"], [script])
            #expect(result.text == folder.path("cache/headers/\(kernel.id)/tree\n"))
            #expect(Self.lines(result.errors).count == 1 && result.errors.contains("bpftrace can't use one"))
            #expect(folder.names(in: "cache/pch").isEmpty)
        }
    }

    @Test(arguments: ["BCC_KERNEL_SOURCE", "ARCH", "BCC_LINUX_VERSION_CODE"])
    func whatAUserSetsForBccCounts(_ name: String) async throws {
        try await withTemporaryFolder { folder in
            let result = try await Self.plain(
                ["env", "\(name)=x", BuiltProgram.path("kheader"), "exec", "--pch"] + kernel.options(folder) + [
                    "--", "true",
                ])
            #expect(result.status == 0 && result.errors.contains("\(name) is set, and says something else to bcc"))
            #expect(folder.names(in: "cache/pch").isEmpty)
        }
    }

    @Test func exitCodesSignalsAndStreamsAreTheToolsOwn() async throws {
        try await withTemporaryFolder { folder in
            func shell(_ script: String) async throws -> ShellCommand.Result {
                try await exec(folder, ["--pch", "--umbrella", "all", "--no-headers"], ["sh", "-c", script])
            }
            let failed = try await shell("cat; echo out; echo err >&2; exit 42")
            #expect(failed.status == 42 && failed.text == "out\n" && failed.errors == "err\n", "\(failed.errors)")
            for signal in ["TERM", "KILL", "INT", "HUP"] {
                #expect(
                    try await shell("kill -\(signal) $$").status == 128
                        + ["TERM": 15, "KILL": 9, "INT": 2, "HUP": 1][signal, default: 0])
            }
            // Those that are for kheader are the tool's.
            for signal in ["TERM", "HUP", "USR1", "INT"] {
                let script = """
                    tail -f /dev/null & other=$!
                    trap 'kill $other; echo got \(signal); exit 3' \(signal)
                    kill -\(signal) $PPID
                    wait
                    """
                let result = try await shell(script)
                #expect(
                    result.status == 3 && result.text == "got \(signal)\n",
                    "\(signal) \(result.status) \(result.text) \(result.errors)")
            }
            // A compiler that crashes has met what it can't take; without headers there is nothing else.
            #expect(try await shell("kill -SEGV $$").status == 128 + 11)
            let unknown = try await exec(folder, ["--pch", "--umbrella", "all", "--no-headers"], ["no-such-program"])
            #expect(unknown.status == 127 && unknown.errors == "kheader: no-such-program: No such file or directory\n")
            let unusable = try await exec(folder, ["--pch", "--umbrella", "all", "--no-headers"], ["/"])
            #expect(unusable.status == 126)
            // What has no '#!' is a script of the shell's.
            let script = try folder.write("echo script\n".utf8, to: "script", mode: 0o755)
            #expect(
                try await exec(folder, ["--pch", "--umbrella", "all", "--no-headers"], [script]).text == "script\n")
        }
    }

    @Test(arguments: ["", "trap '' HUP;", "trap '' PIPE TERM;"])
    func signalsAreInherited(_ setting: String) async throws {
        try await withTemporaryFolder { folder in
            let look = "sed -nE 's/^(Sig(Blk|Ign)):.*(.{8})$/\\1 \\3/p' /proc/self/status"
            let plain = try await run(shell: "\(setting) exec \(look)")
            let script = "\(setting) exec \"$@\" -- \(look)"
            let words =
                [BuiltProgram.path("kheader"), "exec", "--pch", "--umbrella", "all", "--no-headers"]
                + kernel.options(folder)
            let under = try await run(command: ShellCommand("sh", ["-c", script, "sh"] + words))
            #expect(
                plain.text.contains("SigIgn") && under.text == plain.text, "\(plain.text) \(under.text) \(under.errors)"
            )
        }
    }

    /// A compiler that dies is run again, and reads its input again.
    @Test func aCrashIsNoLastWord() async throws {
        try await withTemporaryFolder { folder in
            let tool = "case $BCC_KERNEL_SOURCE in *stubs) read line; kill -SEGV $$;; *) cat; exit 7;; esac"
            let input = try folder.write("one\ntwo\n".utf8, to: "input")
            let script = "exec \"$@\" <\(input)"
            let words =
                [BuiltProgram.path("kheader"), "exec", "--pch", "--umbrella", "all"] + kernel.options(folder) + [
                    "--", "sh", "-c", tool,
                ]
            let result = try await run(command: ShellCommand("sh", ["-c", script, "sh"] + words))
            #expect(result.status == 7 && result.text == "one\ntwo\n", "\(result.errors)")
            #expect(
                Self.lines(result.errors) == [
                    "kheader: the PCH can't serve this program (Segmentation fault); running it again with the full headers"
                ])
        }
    }

    /// Between two runs there is no tool to pass a signal on to: it is for kheader.
    @Test func aSignalBetweenTwoRunsIsNotLost() async throws {
        try await withTemporaryFolder { folder in
            // kheader can't say that it runs the tool again, until somebody reads.
            let script = """
                mkfifo "$0"; exec 3<>"$0"
                head -c "$(python3 -c 'import fcntl; print(fcntl.fcntl(3, 1032))')" /dev/zero >&3
                "$@" 2>&3 & kheader=$!
                until grep -qE '^(1|64) 0x2 ' /proc/$kheader/task/*/syscall; do :; done
                kill -TERM $kheader
                cat <&3 >/dev/null & reader=$!
                wait $kheader; status=$?
                kill $reader
                exit $status
                """
            let tool = "case $BCC_KERNEL_SOURCE in *stubs) kill -SEGV $$;; *) echo again;; esac"
            let words =
                [BuiltProgram.path("kheader"), "exec", "--pch", "--umbrella", "all"] + kernel.options(folder) + [
                    "--", "sh", "-c", tool,
                ]
            let result = try await run(command: ShellCommand("sh", ["-c", script, folder.path("errors")] + words))
            #expect(result.status == 128 + SIGTERM && result.output.isEmpty, "\(result.status) \(result.errors)")
        }
    }

    /// Of a program that nobody sees the user has to say what serves it.
    @Test func whatIsNotSeenHasTheHeaders() async throws {
        try await withTemporaryFolder { folder in
            let source = try folder.write("#undef CONFIG_SMP\n\(Self.sizes)".utf8, to: "hidden.c")
            let program = try folder.write("import bcc; bcc.BPF(src_file='\(source)'); print(1)\n".utf8, to: "p.py")
            let result = try await exec(folder, ["--pch"], ["/usr/bin/python3", program])
            #expect(result.status == 0 && result.errors.contains("With --umbrella NAME you say that it does"))
            #expect(folder.names(in: "cache/pch").isEmpty)
        }
    }

    /// Whoever the tool has started may keep its standard error, and never stop to write.
    @Test func aToolThatHasEndedIsNotWaitedFor() async throws {
        try await withTemporaryFolder { folder in
            let script = "\"$@\" 2>/dev/null; status=$?; kill $(cat \"$0\"); exit $status"
            let tool = "yes >&2 & echo $! >\(folder.path("yes")); exit 3"
            let words = [BuiltProgram.path("kheader"), "exec", "--pch", "--no-headers", "--umbrella", "all"]
            let command =
                ["sh", "-c", script, folder.path("yes")] + words + kernel.options(folder) + ["--", "sh", "-c", tool]
            let result = try await Self.plain(command)
            #expect(result.status == 3)
        }
    }

    /// All that bcc's own headers bring is in the PCH, and a macro that they test is watched.
    @Test func whatBccIncludesFirstIsInThePCH() async throws {
        try await withTemporaryFolder { folder in
            let text = ["types", "version", "sched"].map { "#include <linux/\($0).h>\\n" }.joined()
            func program(_ more: String) throws -> [String] {
                let source = """
                    import bcc
                    text = '\(text)int f(void *c) { return sizeof(struct task_struct); }'
                    print(list(bcc.BPF(text=text\(more)).dump_func('f')))
                    """
                return ["/usr/bin/python3", try folder.write(source.utf8, to: "p\(more.utf8.count).py")]
            }
            let result = try await exec(folder, ["--pch", "--no-headers"], program(""))
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            let random = try program(", cflags=['-DRANDSTRUCT']")
            let full = try await exec(folder, [], random)
            let watched = try await exec(folder, ["--pch"], random)
            #expect(watched.status == 0 && watched.output == full.output, "\(watched.errors)")
            #expect(full.output != result.output && watched.errors.contains("running it again with the full headers"))
        }
    }

    /// Nobody runs a tool again that was told to end.
    @Test func aToolThatWasToldToEndIsNotRunAgain() async throws {
        try await withTemporaryFolder { folder in
            let tool = """
                echo run
                tail -f /dev/null & other=$!
                trap 'kill $other; echo "p.c:1:1: error: x" >&2; exit 1' TERM
                kill -TERM $PPID
                wait
                """
            let result = try await exec(folder, ["--pch", "--umbrella", "all"], ["sh", "-c", tool])
            #expect(result.status == 1 && result.text == "run\n", "\(result.errors)")
            #expect(result.errors == "p.c:1:1: error: x\n")
        }
    }

    /// Another libbcc, or libclang-cpp, may be loaded from there.
    @Test func withALibraryPathBccHasNoPCH() async throws {
        try await withTemporaryFolder { folder in
            let words = ["env", "LD_LIBRARY_PATH=/nowhere", BuiltProgram.path("kheader"), "exec", "--pch"]
            let result = try await Self.plain(words + kernel.options(folder) + ["--", "true"])
            #expect(result.status == 0 && result.errors.contains("LD_LIBRARY_PATH is set"), "\(result.errors)")
            #expect(folder.names(in: "cache/pch").isEmpty)
        }
    }

    /// Cleaning does not take from under a tool what it may still read.
    @Test func thePCHStaysWhileTheToolRuns() async throws {
        try await withTemporaryFolder { folder in
            let script =
                "\"$0\" cache clean --cache \"$1\" --all >&2; test -e \"$BCC_KERNEL_SOURCE/include\" && echo there"
            let command = ["sh", "-c", script, BuiltProgram.path("kheader"), folder.path("cache")]
            let result = try await exec(folder, ["--pch", "--umbrella", "all"], command)
            #expect(result.text == "there\n", "\(result.errors)")
        }
    }

    @Test(arguments: [
        ["--no-headers", "--", "true"], ["--umbrella", "net", "--", "true"],
        ["--pch", "--umbrella", "No Name", "--", "true"],
        ["--pch", "--pch-wait", "-1", "--", "true"], ["--pch", "--no-headers", "--btf", "--", "true"], ["--pch"],
    ])
    func mistakesAreUsage(_ words: [String]) async throws {
        let result = try await run("kheader", ["exec"] + words)
        #expect(result.status == 2 && result.output.isEmpty && !result.errors.isEmpty)
    }

    // MARK: pch, cache, doctor

    @Test func flagsOfThePCHAreClangs() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.sizes.utf8, to: "p.c")
            let options =
                ["pch", "--for", "clang", "--umbrella", "sched", "--clang", kernel.clang] + kernel.options(folder)
            let flags = try await run("kheader", options)
            #expect(flags.status == 0 && flags.errors.isEmpty, "\(flags.errors)")
            let result = try await run(
                shell: "eval \"set -- \\\"\\$1\\\" $2\"; exec \(kernel.clang) -c -o /dev/null \"$@\"", file, flags.text)
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            let array = try await run("kheader", options + ["--format", "json"])
            let words = try JSONDecoder().decode([String].self, from: Data(array.output))
            #expect(words.contains("-include-pch") && words.contains { $0.hasSuffix("/sched.pch") })
        }
    }

    @Test func theVariableOfThePCHIsBccs() async throws {
        try await withTemporaryFolder { folder in
            let program = try folder.write(Self.bccProgram.utf8, to: "p.py")
            let options = ["pch", "--for", "bcc", "--umbrella", "sched"] + kernel.options(folder)
            let line = try await run("kheader", options)
            let result = try await Self.plain([
                "sh", "-c", "eval \"$1\"; exec /usr/bin/python3 \"$2\"", "sh", line.text, program,
            ])
            #expect(result.status == 0 && result.errors.isEmpty, "\(line.errors) \(result.errors)")
            let json = try await run("kheader", options + ["--format", "json"])
            let object = try JSONDecoder().decode([String: String].self, from: Data(json.output))
            #expect(object.keys.sorted() == ["BCC_KERNEL_SOURCE"])
        }
    }

    @Test func whatThereIsNotIsSaid() async throws {
        try await withTemporaryFolder { folder in
            let broken = try await run(
                "kheader", ["pch", "--clang", kernel.clang, "--umbrella", "broken"] + kernel.options(folder))
            #expect(broken.status == 3 && broken.errors.contains("error: unknown type name 'x' (pch-build-failed)"))
            let unknown = try await run(
                "kheader", ["pch", "--clang", kernel.clang, "--umbrella", "none"] + kernel.options(folder))
            #expect(
                unknown.status == 3
                    && unknown.errors.contains("no umbrella 'none'. It has sched, foreign, broken, all."))
            let nobody = try await run("kheader", ["pch", "--clang", "no-such-clang"] + kernel.options(folder))
            #expect(nobody.status == 3 && nobody.errors.contains("There is no program 'no-such-clang' here"))
            let away = try await run(
                "kheader", ["pch", "--clang", kernel.clang] + kernel.options(folder, server: kernel.away))
            #expect(away.status == 5)
            #expect(try await run("kheader", "pch", "--for", "bpftrace").status == 2)
        }
    }

    @Test func theListHasToolchainsAndUmbrellas() async throws {
        let table = try await run("kheader", "pch", "list", "--server", kernel.url)
        let lines = table.text.split(separator: "\n")
        #expect(table.status == 0 && lines.first?.hasPrefix("TOOLCHAIN") == true)
        #expect(lines.contains { $0.hasPrefix("Debian clang version 14") && $0.contains("clang-x86") })
        #expect(lines.contains { $0.hasPrefix("sched") && $0.contains("linux/sched.h") })
        let json = try await run("kheader", "pch", "list", "--format", "json", "--server", kernel.url)
        #expect(try JSONDecoder().decode(ToolchainList.self, from: Data(json.output)).umbrellas.count == 4)
    }

    @Test func theCacheListsVerifiesAndCleansPCHs() async throws {
        try await withTemporaryFolder { folder in
            let flags = try await run(
                "kheader", ["pch", "--clang", kernel.clang, "--umbrella", "sched"] + kernel.options(folder))
            try #require(flags.status == 0, "\(flags.errors)")
            let cache = ["--cache", folder.path("cache")]
            let list = try await run("kheader", ["cache", "list"] + cache)
            #expect(list.text.contains("pch clang-x86 sched") && list.text.contains("unchecked"))
            let verified = try await run("kheader", ["cache", "verify"] + cache)
            #expect(verified.status == 0 && verified.text.contains("good"))
            let key = try #require(folder.names(in: "cache/pch/\(kernel.id)").first)
            let path = folder.path("cache/pch/\(kernel.id)/\(key)/sched.pch")
            chmod(path, 0o644)
            truncate(path, 1)
            #expect(try await run("kheader", ["cache", "verify"] + cache).status == 1)
            #expect(try await run("kheader", ["cache", "clean", "--all"] + cache).output.isEmpty)
            #expect(folder.names(in: "cache/pch/\(kernel.id)").isEmpty)
        }
    }

    @Test func theDoctorSaysWhetherToolsCanHavePCHs() async throws {
        try await withTemporaryFolder { folder in
            let result = try await run("kheader", ["doctor"] + kernel.options(folder))
            let words = result.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("PCHs bcc: yes, \(kernel.url) has clang 14 (1:14"), "\(result.text)")
            let older = try await run("kheader", ["doctor"] + kernel.options(folder, server: kernel.away))
            #expect(older.text.contains("no server says what it makes PCHs with"))
        }
    }
}
