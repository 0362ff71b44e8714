import FoundationEssentials
import KHeaderTestSupport
import Testing

@Suite struct ExecCommandTests {
    private static func exec(_ id: String, _ server: RunningServer, _ words: String...) async throws
        -> ShellCommand.Result
    {
        try await run(
            "kheader",
            ["exec", "--build-id", id, "--cache", server.folder.path("cache"), "--server", server.url] + words)
    }

    private static func withPushedKernel(_ body: (RunningServer, PushedKernel) async throws -> Void) async throws {
        try await withRunningServer { server in
            let pushed = try PushedKernel(in: server.folder)
            try await pushed.push(to: server)
            try await body(server, pushed)
        }
    }

    @Test func theToolGetsTheVariablesAndNoOthers() async throws {
        try await Self.withPushedKernel { server, pushed in
            let before = try await run(shell: "env | sort")
            let after = try await Self.exec(pushed.id, server, "--", "sh", "-c", "env | sort")
            try #require(after.status == 0, "\(after.errors)")
            let added = Set(after.text.split(separator: "\n")).subtracting(before.text.split(separator: "\n"))
            let tree = server.folder.path("cache/headers/\(pushed.id)/tree")
            #expect(
                added == [
                    "KHEADER_TREE=\(tree)", "KHEADER_BUILD_ID=\(pushed.id)", "BCC_KERNEL_SOURCE=\(tree)",
                    "BPFTRACE_KERNEL_SOURCE=\(tree)", "BPFTRACE_KERNEL_BUILD=\(tree)",
                ])
        }
    }

    @Test func bpftraceGetsTheKernelsBTFIfItIsWanted() async throws {
        try await Self.withPushedKernel { server, pushed in
            try #require(try await server.put("/v1/kernels/\(pushed.id)/btf", SmallBTF.bytes()).status == 201)
            let result = try await Self.exec(pushed.id, server, "--btf", "--", "sh", "-c", "cat \"$BPFTRACE_BTF\"")
            #expect(result.status == 0 && result.output == SmallBTF.bytes(), "\(result.errors)")
            let without = try await Self.exec(pushed.id, server, "--", "printenv", "BPFTRACE_BTF")
            #expect(without.status == 1 && without.output.isEmpty)
        }
    }

    @Test func exitCodesAndSignalsAreTheToolsOwn() async throws {
        try await Self.withPushedKernel { server, pushed in
            #expect(try await Self.exec(pushed.id, server, "--", "sh", "-c", "exit 42").status == 42)
            #expect(try await Self.exec(pushed.id, server, "sh", "-c", "kill -TERM $$").status == 128 + 15)
            #expect(try await Self.exec(pushed.id, server, "--", "no-such-program").status == 127)
            let unusable = try await Self.exec(pushed.id, server, "--", "/")
            #expect(unusable.status == 126 && unusable.errors == "kheader: /: Permission denied\n")
        }
    }

    /// Neither what libcurl, nor what our own clean-up does to signals reaches the tool.
    @Test(arguments: ["", "trap '' HUP;", "trap '' PIPE TERM;"])
    func signalsAreInherited(_ setting: String) async throws {
        try await Self.withPushedKernel { server, pushed in
            // Those above 31 are glibc's own, or real-time signals.
            let look = "sed -nE 's/^(Sig(Blk|Ign)):.*(.{8})$/\\1 \\3/p' /proc/self/status"
            let plain = try await run(shell: "\(setting) exec \(look)")
            let script = "\(setting) exec \"$1\" exec --build-id \"$2\" --cache \"$3\" --server \"$4\" -- \(look)"
            let under = try await run(
                shell: script, BuiltProgram.path("kheader"), pushed.id, server.folder.path("cache"), server.url)
            #expect(plain.text.contains("SigIgn") && under.text == plain.text, "\(plain.text) \(under.text)")
        }
    }

    /// The tool may run for days, and a clean-up must not take the headers from under it.
    @Test func theHeadersStayWhileTheToolRuns() async throws {
        try await Self.withPushedKernel { server, pushed in
            let script = """
                "$0" cache clean --cache "$1" --all >&2 || exit
                test -e "$KHEADER_TREE/include" && echo there
                """
            let program = BuiltProgram.path("kheader")
            let during = try await Self.exec(
                pushed.id, server, "--", "sh", "-c", script, program, server.folder.path("cache"))
            #expect(during.text == "there\n", "\(during.errors)")
        }
    }

    @Test func whatNeedsMoreThanHeadersIsToldBefore() async throws {
        try await Self.withPushedKernel { server, pushed in
            let result = try await Self.exec(pushed.id, server, "--", "make", "--version")
            #expect(result.errors.contains("make needs .config, Module.symvers, Makefile"))
            #expect(result.status == 0 && result.text.contains("Make"))
        }
    }

    @Test func withoutHeadersTheToolDoesNotRun() async throws {
        try await withRunningServer { server in
            let result = try await Self.exec("dead", server, "--", "sh", "-c", "echo ran")
            #expect(result.status == 3 && result.output.isEmpty)
        }
    }

    @Test(arguments: [["exec"], ["exec", "--"], ["exec", "--no-such-option", "--", "true"]])
    func mistakesAreUsage(_ words: [String]) async throws {
        let result = try await run("kheader", words)
        #expect(result.status == 2 && result.output.isEmpty && !result.errors.isEmpty)
    }

    @Test func helpIsHelp() async throws {
        let result = try await run("kheader", "exec", "--help")
        #expect(result.status == 0 && result.text.contains("BCC_KERNEL_SOURCE"))
    }

    // MARK: env, flags

    @Test func envPrintsForAShellWhatExecSets() async throws {
        try await Self.withPushedKernel { server, pushed in
            let options = [
                "--build-id", pushed.id, "--cache", server.folder.path("it's a cache"), "--server", server.url,
            ]
            let set = try await run(
                "kheader", ["exec"] + options + ["--", "sh", "-c", "env | grep -E 'KH.*_|BCC|BPFT'"])
            let printed = try await run("kheader", ["env"] + options)
            #expect(printed.status == 0)
            let read = try await run(shell: "eval \"$1\"; env | grep -E 'KH.*_|BCC|BPFT'", printed.text)
            #expect(Set(read.text.split(separator: "\n")) == Set(set.text.split(separator: "\n")))
            let json = try await run("kheader", ["env", "--format", "json"] + options)
            #expect(json.text.contains("\"KHEADER_BUILD_ID\" : \"\(pushed.id)\""))
            let csh = try await run("kheader", ["env", "--shell", "csh"] + options)
            #expect(csh.text.contains("setenv KHEADER_BUILD_ID '\(pushed.id)';"))
        }
    }

    @Test func flagsAreWordsOfOneLineOrOfAnArray() async throws {
        try await Self.withPushedKernel { server, pushed in
            let options = ["--build-id", pushed.id, "--cache", server.folder.path("cache"), "--server", server.url]
            let line = try await run("kheader", ["flags", "--for", "bcc"] + options)
            #expect(line.text.split(separator: "\n").count == 1)
            let words = try await run(shell: "eval \"set -- $1\"; printf '%s\\n' \"$@\"", line.text)
            let array = try await run("kheader", ["flags", "--for", "bcc", "--format", "json"] + options)
            let elements = try JSONDecoder().decode([String].self, from: Data(array.output))
            #expect(words.text == elements.joined(separator: "\n") + "\n")
            #expect(
                elements.contains("-DKBUILD_MODNAME=\"bcc\"") && elements.contains { $0.hasSuffix("/arch/x86/include") }
            )
        }
    }
}
