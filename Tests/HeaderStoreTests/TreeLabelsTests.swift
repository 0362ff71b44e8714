import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

@Suite struct TreeLabelsTests {
    @Test(arguments: [
        ("#define UTS_RELEASE \"6.1.0-56-amd64\"\n", "6.1.0-56-amd64"),
        ("/* made */\n\n#define UTS_RELEASE \"6.12.1\"\n#define UTS_VERSION \"x\"\n", "6.12.1"),
        ("#define UTS_RELEASE 6.1\n", nil),
        ("#define UTS_RELEASE \"\n", nil),
        ("", nil),
        ("#define OTHER \"6.1\"\n", nil),
        // A tree may say anything; a terminal should not have to hear it.
        ("#define UTS_RELEASE \"6.1\u{1B}[2J\"\n", nil),
        ("#define UTS_RELEASE \"\(String(repeating: "6", count: 1025))\"\n", nil),
    ])
    func theReleaseIsThatOfUtsrelease(text: String, release: String?) {
        #expect(Self.labels(["include/generated/utsrelease.h": text]).release == release)
    }

    @Test func theLongestReleaseIsTaken() {
        let release = String(repeating: "6", count: KernelIdentity.maximumLabelLength)
        #expect(
            Self.labels(["include/generated/utsrelease.h": "#define UTS_RELEASE \"\(release)\""]).release == release)
    }

    @Test func aReleaseElsewhereDoesNotCount() {
        #expect(Self.labels(["include/utsrelease.h": "#define UTS_RELEASE \"6.1\""]).release == nil)
    }

    @Test(arguments: [
        ("#define CONFIG_64BIT 1\n", true),
        ("#define CONFIG_X86 1\n#define CONFIG_64BIT 1\n#define CONFIG_SMP 1\n", true),
        ("/* CONFIG_64BIT is not set */\n", false), ("#define CONFIG_64BIT_TIME 1\n", false),
    ])
    func theConfigurationSaysWhetherItIs64Bit(text: String, is64Bit: Bool) {
        #expect(Self.labels(["include/generated/autoconf.h": text]).is64Bit == is64Bit)
    }

    @Test func aHugeConfigurationIsNotKept() {
        let text = String(repeating: "#define CONFIG_X 1\n", count: 150_000) + "#define CONFIG_64BIT 1\n"
        #expect(!Self.labels(["include/generated/autoconf.h": text]).is64Bit)
    }

    @Test(
        arguments: [
            (["arch/x86/include/asm/page.h"], true, "x86_64"),
            (["arch/x86/include/asm/page.h"], false, "i686"),
            (["arch/arm64/include/asm/page.h", "include/linux/bpf.h"], true, "aarch64"),
            (["arch/riscv/include/asm/page.h"], true, "riscv64"),
            (["arch/m68k/include/asm/page.h"], false, "m68k"),
            // A source tree has all of them, and one that was built.
            (
                ["arch/arm/include/asm/page.h", "arch/x86/include/asm/page.h", "arch/x86/include/generated/asm/x.h"],
                true, "x86_64"
            ),
            (["arch/arm/include/asm/page.h", "arch/x86/include/asm/page.h"], true, nil),
            (["arch/x86/Makefile.h", "include/linux/bpf.h"], true, nil),
            (["include/linux/bpf.h"], true, nil),
        ] as [([String], Bool, String?)])
    func theArchitectureIsTheFolderWithHeaders(paths: [String], is64Bit: Bool, machine: String?) throws {
        let files = Dictionary(uniqueKeysWithValues: paths.map { ($0, [UInt8(1)]) })
        let manifest = try StoredKernel(id: 1, files: files).manifest
        let labels = Self.labels(["include/generated/autoconf.h": is64Bit ? "#define CONFIG_64BIT 1\n" : ""])
        #expect(labels.architecture(of: manifest)?.machine == machine)
    }

    private static func labels(_ files: [String: String]) -> TreeLabels {
        var labels = TreeLabels()
        for (name, text) in files {
            guard let path = HeaderPath(name) else { continue }
            labels.begin(path)
            // In pieces, as an archive is read.
            for start in stride(from: 0, to: text.utf8.count, by: 4096) {
                Array(text.utf8.dropFirst(start).prefix(4096)).withUnsafeBytes { labels.append($0) }
            }
            labels.end()
        }
        return labels
    }
}
