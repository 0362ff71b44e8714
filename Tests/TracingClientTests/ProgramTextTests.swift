import KHeaderTestSupport
import Testing

@testable import TracingClient

@Suite struct ProgramTextTests {
    private static func needs(_ text: String, isScript: Bool = false, own: [String: String] = [:]) -> ProgramText.Needs
    {
        ProgramText.needs(of: [ProgramText(text, isScript: isScript)]) { header, _ in
            own[header].map { ProgramText($0, isHeader: true) }
        }
    }

    @Test func includesAreSeenOnceInTheirOrder() {
        let text = """
            /* #include <not/first.h> is the first word of no line */
            #include <linux/sched.h>
              #  include   <net/sock.h> // why
            #include <linux/sched.h>
            #define AFTER 1
            int x; // #include <no/directive.h>
            """
        let needs = Self.needs(text)
        #expect(needs.headers == ["linux/sched.h", "net/sock.h"] && needs.obstacle == nil)
    }

    @Test(arguments: [
        "#define CONFIG_KCOV 1\n#include <linux/sched.h>\n",
        "#include <linux/types.h>\n#undef CONFIG_SMP\n#include <linux/sched.h>",
        "\t# define  X(a) a\n#if 1\n#include <linux/sched.h>\n#endif",
    ])
    func aMacroBeforeAnIncludeIsAnObstacle(_ text: String) {
        let obstacle = Self.needs(text).obstacle
        #expect(obstacle?.hasPrefix("it defines or undefines ") == true)
        #expect(obstacle?.hasSuffix(" before it includes linux/sched.h") == true)
    }

    @Test func whatAnIncludeNamesByAMacroIsAnObstacle() {
        #expect(Self.needs("#include HEADER\n").obstacle == "it includes what the macro HEADER names")
    }

    /// In a script a `#` with a space behind it is a comment, and programs are in strings.
    @Test func scriptsHaveProgramsInTheirStrings() {
        let text = """
            #!/usr/bin/python3
            # define what is to be done, and include it
            bpf_text = '''#include <uapi/linux/ptrace.h>
            #include <linux/sched.h>
            #define HERE 1
            '''
            more = "#include <net/sock.h>\\n#include \\"own.h\\"\\n"
            #include what you like: a comment
            """
        let needs = Self.needs(text, isScript: true)
        #expect(needs.headers == ["uapi/linux/ptrace.h", "linux/sched.h"])
        #expect(needs.obstacle == "it defines or undefines HERE before it includes net/sock.h")
        let plain = Self.needs("text = \"#include <net/sock.h>\\n#include \\\"own.h\\\"\\n\"", isScript: true)
        #expect(plain.headers == ["net/sock.h", "own.h"] && plain.obstacle == nil)
    }

    @Test func ownHeadersAreLookedInto() {
        let own = [
            "own.h": "#ifndef OWN_H\n#define OWN_H\n#include <net/sock.h>\n#include \"more.h\"\n#endif\n",
            "more.h": "#define M 1\n",
        ]
        let after = Self.needs("#include <linux/sched.h>\n#include \"own.h\"\n", own: own)
        #expect(after.headers == ["linux/sched.h", "net/sock.h"] && after.obstacle == nil)
        let before = Self.needs("#include \"own.h\"\n#include <linux/sched.h>\n", own: own)
        #expect(before.obstacle == "it defines or undefines M before it includes linux/sched.h")
    }

    /// A program that sets what a header has a default for is no header with a guard; and only the first directive is one.
    @Test func onlyHeadersHaveGuards() {
        let guarded = "#ifndef KBUILD_MODNAME\n#define KBUILD_MODNAME \"x\"\n#endif\n#include <linux/sched.h>\n"
        let obstacle = "it defines or undefines KBUILD_MODNAME before it includes linux/sched.h"
        #expect(Self.needs(guarded).obstacle == obstacle)
        let own = ["own.h": "#pragma once\n" + guarded]
        #expect(Self.needs("#include \"own.h\"\n", own: own).obstacle == obstacle)
    }

    @Test func headersThatIncludeEachOtherEnd() {
        let own = ["a.h": "#include \"b.h\"\n", "b.h": "#include \"a.h\"\n#include <linux/sched.h>\n"]
        #expect(Self.needs("#include \"a.h\"", own: own).headers == ["linux/sched.h"])
        let many = Dictionary(uniqueKeysWithValues: (0..<1000).map { ("\($0).h", "#include \"\($0 + 1).h\"\n") })
        #expect(
            Self.needs("#include \"0.h\"", own: many).obstacle == "it includes too many files of its own to look into")
    }

    /// What one program defines is not defined in another.
    @Test func textsAreLookedAtForThemselves() {
        let texts = ["#include <a.h>\n#define X 1\n", "#include <b.h>\n"].map { ProgramText($0) }
        let needs = ProgramText.needs(of: texts) { _, _ in nil }
        #expect(needs.headers == ["a.h", "b.h"] && needs.obstacle == nil)
    }

    @Test(arguments: [
        "", "#", "#include", "#include <", "#include <>", "#define", "#include \"", "#include \\\"", "\\n#",
        "##include <a",
    ])
    func unfinishedDirectivesAreNone(_ text: String) {
        #expect(Self.needs(text) == ProgramText.Needs())
    }
}

@Suite struct ToolCommandTests {
    @Test(arguments: [
        ("clang", ToolCommand.Kind.clang), ("/usr/bin/clang-14", .clang), ("clang-format", .other), ("clang-", .other),
        ("clang++", .other), ("/usr/bin/bpftrace", .bpftrace), ("python3", .other), ("opensnoop-bpfcc", .other),
    ])
    func theProgramsNameTellsTheTool(_ word: String, _ kind: ToolCommand.Kind) {
        #expect(ToolCommand.kind(of: word) == kind)
    }

    @Test func filesOfTheCommandAreLookedInto() throws {
        try withTemporaryFolder { folder in
            try folder.write("#!/bin/sh\ntext='\n#include <linux/fs.h>\n'".utf8, to: "bin/tool", mode: 0o755)
            let other = try folder.write(
                "#include <linux/sched.h>\n#include \"own.h\"\n#include <lib.h>\n".utf8, to: "src/p.c")
            try folder.write("#include <net/sock.h>\n".utf8, to: "src/own.h")
            try folder.write("#include <linux/bio.h>\n".utf8, to: "lib/lib.h")
            let binary = try folder.write([0x7F, 0x45, 0, 1] + Array("\n#include <no/text.h>\n".utf8), to: "p.o")
            let command = ToolCommand(
                ["tool", other, binary, "-I\(folder.path("lib"))"], path: "/none:\(folder.path("bin"))")
            #expect(command.program == folder.path("bin/tool"))
            #expect(command.needs.headers == ["linux/fs.h", "linux/sched.h", "net/sock.h", "linux/bio.h"])
            #expect(command.needs.obstacle == nil)
        }
    }

    /// What clang includes before each file is seen before it, wherever it stands among the arguments.
    @Test(arguments: [
        ["-include", "FILE"], ["-imacros", "FILE"], ["-includeFILE"], ["--include=FILE"], ["--imacros", "FILE"],
    ])
    func whatIsIncludedFirstCounts(_ words: [String]) throws {
        try withTemporaryFolder { folder in
            let program = try folder.write("#include <linux/sched.h>\n".utf8, to: "p.c")
            let first = try folder.write("#undef CONFIG_SMP\n".utf8, to: "first.h")
            let words = words.map { $0.replacing("FILE", with: first) }
            let obstacle = "it defines or undefines CONFIG_SMP before it includes linux/sched.h"
            #expect(ToolCommand(["clang", program] + words, path: "").needs.obstacle == obstacle)
            let folders = ["-I", folder.path, "-include", "first.h"]
            #expect(ToolCommand(["clang"] + folders + [program], path: "").needs.obstacle == obstacle)
        }
        let kernels = ToolCommand(["clang", "-include", "linux/kconfig.h", "-include-pch", "p"], path: "").needs
        #expect(kernels == ProgramText.Needs())
    }

    @Test func aProgramMayBeAnArgument() {
        let command = ToolCommand(["python3", "-c", "BPF(text='#include <net/sock.h>\\n')"], path: "")
        #expect(command.needs.headers == ["net/sock.h"])
    }

    @Test(arguments: [["clang", "-x", "c", "-"], ["python3", "-"], ["sh"]])
    func whatCanBeReadButOnceIsAnObstacle(_ words: [String]) {
        #expect(ToolCommand(words, path: "").needs.obstacle?.contains("standard input") == true)
    }

    @Test func whatWritesToStandardOutputIsNone() {
        #expect(ToolCommand(["clang", "-o", "-", "p.c"], path: "").needs.obstacle == nil)
    }

    @Test(arguments: [
        (["clang", "-target", "bpf", "-c", "p.c"], true), (["clang", "--target=bpfel"], true),
        (["clang", "-target"], false),
        (["clang", "--target=x86_64-pc-linux-gnu", "bpf"], false),
    ])
    func theTargetIsSeen(_ words: [String], _ isBPF: Bool) {
        #expect(ToolCommand(words, path: "").targetsBPF == isBPF)
    }
}
