import KernelHeaders
import Testing

@testable import PrecompiledHeaders

@Suite struct CompilerProfileTests {
    private static func problem(_ profile: CompilerProfile) -> ProblemCode? {
        do { try profile.check() } catch let problem as Problem { return problem.code } catch {}
        return nil
    }

    @Test func standardProfilesPass() throws {
        for machine in ["x86_64", "aarch64", "armv7l", "s390x", "mips64", "riscv64"] {
            let architecture = Architecture(machine: machine)
            let configuration = KernelConfiguration(autoconf: "#define CONFIG_KASAN 1\n")
            try CompilerProfile.clang(architecture: architecture, configuration: configuration).check()
            try CompilerProfile.bpf(architecture: architecture, configuration: configuration).check()
        }
    }

    @Test(arguments: [
        ["-fplugin=/tmp/evil.so"], ["-Xclang", "-load"], ["-Wp,-MD,/tmp/x"], ["-Wl,-o,/tmp/x"], ["-Wa,-a=/tmp/x"],
        ["-o", "/tmp/x"],
        ["@/etc/passwd"], ["-include", "@include/evil"], ["-isystem", "@/tmp/x"], ["-I", "@a"], ["-I@a"],
        ["-mllvm=-info-output-file=x"], ["-march=native"], ["-mtune=native"], ["-ftime-trace"], ["-gsplit-dwarf"],
        ["-I/etc"], ["-I", "/etc"], ["-I../../etc"], ["-include", "/etc/passwd"], ["-include"],
        ["-isystem", "include/../../etc"], ["-x", "c++"], ["prog.c"], ["-fprofile-use=/tmp/x"], ["-mllvm"], ["-target"],
        ["-target", "a/b"], ["--config=/tmp/x"], ["-B/tmp"], ["-MF/tmp/x"], ["-ivfsoverlay", "/tmp/x"], ["-D"],
        ["-DX=1\n#"],
        ["-fsanitize-ignorelist=/etc/passwd"], ["-save-temps"], [""],
    ])
    func flagsThatReachOutAreRefused(_ flags: [String]) {
        #expect(Self.problem(CompilerProfile(name: "a", flags: flags)) == .profileMalformed)
    }

    @Test(arguments: ["/etc/passwd", "/virtual/../etc/passwd", "virtual/a.h", "/virtual/", "/virtual", "/virtual//a.h"])
    func ownHeadersStayInTheirPlace(_ path: String) {
        #expect(Self.problem(CompilerProfile(name: "a", flags: [], headers: [path: ""])) == .profileMalformed)
    }

    @Test(arguments: ["", "a/b", "a b", String(repeating: "a", count: 65)]) func namesAreShortWords(_ name: String) {
        #expect(Self.problem(CompilerProfile(name: name, flags: [])) == .profileMalformed)
    }

    @Test func sizesAreBounded() throws {
        let large = String(repeating: "x", count: CompilerProfile.limit)
        let manyFlags = Array(repeating: "-O2", count: 257)
        let manyHeaders = Dictionary(uniqueKeysWithValues: (0..<65).map { ("/virtual/\($0).h", "") })
        for profile in [
            CompilerProfile(name: "a", flags: [], headers: ["/virtual/a.h": large]),
            CompilerProfile(name: "a", flags: [], prologue: large), CompilerProfile(name: "a", flags: manyFlags),
            CompilerProfile(name: "a", flags: [], headers: manyHeaders),
        ] { #expect(Self.problem(profile) == .profileTooLarge) }
        try CompilerProfile(
            name: "a", flags: Array(manyFlags.dropLast()), headers: manyHeaders.filter { $0.key != "/virtual/0.h" }
        )
        .check()
    }

    @Test func placeholdersStandForTheArchitecture() {
        let profile = CompilerProfile(
            name: "a", flags: ["-target", "{machine}-unknown-linux-gnu", "-Iarch/{arch}/include/"])
        let flags = profile.flags(for: Architecture(machine: "aarch64"))
        #expect(flags == ["-target", "aarch64-unknown-linux-gnu", "-Iarch/arm64/include/"])
    }
}
