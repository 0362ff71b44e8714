import Glibc
import KHeaderTestSupport
import Testing

@testable import TracingClient

@Suite struct ProgramTextTests {
    private static func needs(_ text: String, isScript: Bool = false, own: [String: String] = [:]) -> ProgramText.Needs
    {
        ProgramText.needs(of: [.init(text: ProgramText(text, isScript: isScript), folder: ".")]) { header, _, _ in
            own[header].map { .init(path: header, text: ProgramText($0, isHeader: true)) }
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
            # what is to be done, and include it
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
        let obstacle = "it asks whether there is KBUILD_MODNAME, which headers may define that it does not include"
        #expect(Self.needs(guarded).obstacle == obstacle)
        let own = ["own.h": "#pragma once\n" + guarded]
        #expect(Self.needs("#include \"own.h\"\n", own: own).obstacle == obstacle)
    }

    /// A PCH has more headers than the program includes, and these define more.
    @Test(arguments: [
        "#include <linux/types.h>\n#ifndef NAME_MAX\n#define NAME_MAX 32\n#endif\n",
        "#include <linux/sched.h>\n#if __has_include(<linux/cdrom.h>)\n#endif\n",
        "#include <linux/sched.h>\n#if defined(CONFIG_SMP) && \\\n  defined NAME_MAX\n#endif\n",
        "#include <linux/sched.h>\n#if LINUX_VERSION_CODE > 1\n#endif\n",
    ])
    func whatAProgramAsksIsAnObstacle(_ text: String) {
        #expect(Self.needs(text).obstacle?.contains("which headers may define that it does not include") == true)
    }

    @Test(arguments: [
        "#include <linux/sched.h>\n#ifdef CONFIG_SMP\n#elif defined(__x86_64__) || 0x10UL\n#endif\n",
        "#include <linux/sched.h>\n#define OWN 1\n#if OWN == 1\n#endif\n",
        "#include <linux/version.h>\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 1, 0)\n#endif\n",
    ])
    func whatIsTheSameInAnyCaseIsNone(_ text: String) { #expect(Self.needs(text).obstacle == nil) }

    @Test(arguments: ["%:undef CONFIG_SMP\n", "#/**/undef CONFIG_SMP\n", "#\\\nundef CONFIG_SMP\n"])
    func directivesInDisguiseAreAnObstacle(_ text: String) {
        let needs = Self.needs(text + "#include <linux/sched.h>\n")
        #expect(needs.obstacle?.contains("a directive that begins with") == true)
    }

    @Test func inAScriptAMacroMayBeIndented() {
        let script = "text = '''\n# undef CONFIG_SMP\n#include <linux/sched.h>\n'''\n"
        #expect(
            Self.needs(script, isScript: true).obstacle
                == "it defines or undefines CONFIG_SMP before it includes linux/sched.h")
        let flags = "text = '''\n#include <linux/sched.h>\n#ifdef FAST\n#endif\n'''\nflags = ['-DFAST=1']\n"
        #expect(Self.needs(flags, isScript: true).obstacle == nil)
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
        let texts = ["#include <a.h>\n#define X 1\n", "#include <b.h>\n"].map {
            ProgramText.Place(text: ProgramText($0), folder: ".")
        }
        let needs = ProgramText.needs(of: texts) { _, _, _ in nil }
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
        #expect(kernels.headers == ["linux/kconfig.h"] && kernels.obstacle == nil)
    }

    /// Each text has its own folder, and sees an own header anew.
    @Test func textsOfSeveralFoldersAreTheirOwn() throws {
        try withTemporaryFolder { folder in
            try folder.write("#define A 1\n".utf8, to: "a/own.h")
            let undefining = try folder.write("#undef CONFIG_SMP\n".utf8, to: "b/own.h")
            let first = try folder.write("#include <linux/sched.h>\n#include \"own.h\"\n".utf8, to: "a/p.c")
            let second = try folder.write("#include \"own.h\"\n#include <linux/sched.h>\n".utf8, to: "b/p.c")
            let obstacle = "it defines or undefines CONFIG_SMP before it includes linux/sched.h"
            #expect(ToolCommand(["clang", first, second], path: "").needs.obstacle == obstacle)
            #expect(ToolCommand(["clang", first], path: "").needs.obstacle == nil)
            let other = try folder.write("#include \"own.h\"\n".utf8, to: "b/q.c")
            #expect(ToolCommand(["clang", other, second], path: "").needs.obstacle == obstacle)
            let words = ["clang", "-include", undefining, other, first]
            #expect(ToolCommand(words, path: "").needs.obstacle == obstacle)
        }
    }

    /// A user's copy of a header of the kernel's is not what is read: the kernel's come first.
    @Test func copiesOfTheKernelsHeadersAreTheKernels() throws {
        try withTemporaryFolder { folder in
            try folder.write("#define CDX 5\n".utf8, to: "inc/linux/cdrom.h")
            let program = try folder.write("#include <linux/cdrom.h>\n".utf8, to: "p.c")
            let words = ["clang", "-I\(folder.path("inc"))", program]
            #expect(ToolCommand(words, path: "").needs.headers == ["linux/cdrom.h"])
        }
    }

    @Test(arguments: [
        ["@more.rsp"], ["--config", "x.cfg"], ["--config=x.cfg"], ["-Wp,-include,m.h"], ["-Xpreprocessor", "-DX"],
        ["-Xclang", "-include", "-Xclang", "m.h"], ["-UCONFIG_SMP"], ["-U", "CONFIG_SMP"], ["-undef"], ["-MD"],
        ["-MMD", "-MF", "p.d"], ["-M"],
    ])
    func whatCantBeSeenIsAnObstacle(_ words: [String]) {
        #expect(ToolCommand(["clang", "-c", "p.c"] + words, path: "").needs.obstacle != nil)
    }

    @Test(arguments: [["-Xclang", "-disable-O0-optnone"], ["--include-directory=inc"], ["-MFx"]])
    func otherArgumentsAreNone(_ words: [String]) {
        #expect(ToolCommand(["clang", "-c", "p.c"] + words, path: "").needs == ProgramText.Needs())
    }

    @Test func whatIsReadOnceIsAnObstacle() throws {
        try withTemporaryFolder { folder in
            let pipe = folder.path("pipe")
            mkfifo(pipe, 0o600)
            #expect(
                ToolCommand(["clang", "-x", "c", pipe], path: "").needs.obstacle
                    == "it reads \(pipe), which can be read but once")
            #expect(ToolCommand(["clang", "-x", "c", "/dev/null"], path: "").needs.obstacle == nil)
        }
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
