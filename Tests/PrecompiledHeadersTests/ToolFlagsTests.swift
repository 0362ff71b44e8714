import KernelHeaders
import Testing

@testable import PrecompiledHeaders

@Suite struct ToolFlagsTests {
    private static func flags(_ tool: TracingTool, _ machine: String, _ autoconf: String = "") -> [String] {
        ToolFlags(
            for: tool, tree: "/t", architecture: Architecture(machine: machine),
            configuration: KernelConfiguration(autoconf: autoconf)
        ).arguments
    }

    /// `LINUXINCLUDE` of the kernel's Makefile, whichever tool, for each machine's folder.
    @Test(
        arguments: [
            ("x86_64", "x86"), ("aarch64", "arm64"), ("armv7l", "arm"), ("s390x", "s390"), ("ppc64le", "powerpc"),
            ("riscv64", "riscv"), ("mips64", "mips"), ("loongarch64", "loongarch"),
        ], TracingTool.allCases)
    func foldersComeInTheKernelsOrder(_ machine: (name: String, folder: String), _ tool: TracingTool) {
        let expected = [
            "/t/arch/A/include", "/t/arch/A/include/generated", "/t/include", "/t/arch/A/include/uapi",
            "/t/arch/A/include/generated/uapi", "/t/include/uapi", "/t/include/generated/uapi",
        ].map { "-I" + $0.replacing("/A/", with: "/\(machine.folder)/") }
        let flags = Self.flags(tool, machine.name)
        #expect(flags.filter { $0.hasPrefix("-I") && !$0.contains("mach-generic") } == expected)
        #expect(flags.first == "-nostdlibinc")
        let kconfig = flags.firstIndex(of: "/t/include/linux/kconfig.h")
        #expect(kconfig.map { flags[$0 - 1] } == "-include")
        #expect(flags.contains("-D__KERNEL__"))
    }

    @Test func eachToolHasItsOwnMacros() {
        #expect(Self.flags(.bcc, "x86_64").contains("-DKBUILD_MODNAME=\"bcc\""))
        #expect(!Self.flags(.bcc, "x86_64").contains("-D__BPF_TRACING__"))
        #expect(Self.flags(.bpftrace, "x86_64").contains("-D__HAVE_BUILTIN_BSWAP32__"))
        #expect(Self.flags(.clang, "s390x").contains("-D__TARGET_ARCH_s390"))
        // `clang $(kheader flags --for clang)`: a shell would not read quotes there.
        #expect(Self.flags(.clang, "mips64").allSatisfy { !$0.contains { "\"' $".contains($0) } })
    }

    @Test func whatOnlyMakefilesDefineIsDefined() {
        let generic = "#define CONFIG_KASAN 1\n#define CONFIG_KASAN_GENERIC 1\n"
        let tags = "#define CONFIG_KASAN 1\n#define CONFIG_KASAN_SW_TAGS 1\n"
        for tool in [TracingTool.bpftrace, .clang] {
            #expect(Self.flags(tool, "armv7l").contains("-D__LINUX_ARM_ARCH__=7"))
            #expect(Self.flags(tool, "aarch64", generic).contains("-DKASAN_SHADOW_SCALE_SHIFT=3"))
            #expect(Self.flags(tool, "aarch64", tags).contains("-DKASAN_SHADOW_SCALE_SHIFT=4"))
            #expect(!Self.flags(tool, "aarch64").contains { $0.contains("KASAN") })
            #expect(!Self.flags(tool, "x86_64", generic).contains { $0.contains("KASAN") })
        }
        #expect(Self.flags(.clang, "mips").last == "-I/t/arch/mips/include/asm/mach-generic")
    }

    @Test func configurationIsWhatIsBuiltIn() {
        let autoconf = "/*\n * Generated\n */\n#define CONFIG_A 1\n#define CONFIG_B_MODULE 1\n#define CONFIG_HZ 250\n"
        let configuration = KernelConfiguration(autoconf: autoconf)
        #expect(configuration.has("CONFIG_A"))
        #expect(!configuration.has("CONFIG_B") && !configuration.has("CONFIG_HZ"))
        #expect(KernelConfiguration(tree: "/nonexistent") == KernelConfiguration(autoconf: ""))
    }
}
