internal import HeaderArchive
public import KernelHeaders

/// The flags with which a compiler reads a kernel's headers as a tool does: the folders in the tool's order, and the
/// macros that the headers ask for.
///
/// The order is that of the kernel's `LINUXINCLUDE` (top-level Makefile), which all three tools copied. Differences to
/// what the tools pass themselves: paths are absolute, so that they hold in any folder (bcc changes into the tree);
/// a folder named twice, as source and build are one tree here, is named once; and for `-nostdinc -isystem
/// /virtual/lib/clang/include`, which is a folder within the tool, `-nostdlibinc` stands, with which a clang takes its
/// own. Flags that have nothing to do with headers (optimisation, debug information) are left to the caller.
public struct ToolFlags: Sendable, Equatable {
    /// One argument each.
    public let arguments: [String]

    /// - Parameters:
    ///   - tree: absolute.
    ///   - configuration: the tree's; matters for arm64 only.
    public init(
        for tool: TracingTool, tree: String, architecture: Architecture, configuration: KernelConfiguration
    ) {
        let name = architecture.sourceFolder
        let include = "\(tree)/include"
        let architectureInclude = "\(tree)/arch/\(name)/include"
        let folders = [
            architectureInclude, "\(architectureInclude)/generated", include, "\(architectureInclude)/uapi",
            "\(architectureInclude)/generated/uapi", "\(include)/uapi", "\(include)/generated/uapi",
        ]
        arguments =
            ["-nostdlibinc"] + folders.map { "-I\($0)" } + ["-include", "\(include)/linux/kconfig.h", "-D__KERNEL__"]
            + Self.macros(tool, tree, name, configuration)
    }

    private static func macros(
        _ tool: TracingTool, _ tree: String, _ architecture: String, _ configuration: KernelConfiguration
    ) -> [String] {
        switch tool {
        case .bcc:
            // `KBuildHelper` and `ClangLoader::do_compile` of bcc 0.31.
            return [
                "-DKBUILD_MODNAME=\"bcc\"", "-Wno-unused-value", "-Wno-pointer-sign", "-fno-stack-protector",
                "-fms-extensions", "-Wno-microsoft-anon-tag", "-DCONFIG_CC_IS_CLANG",
            ]
        case .bpftrace:
            // `get_kernel_cflags` of bpftrace 0.24.
            return [
                "-D__BPF_TRACING__", "-D__HAVE_BUILTIN_BSWAP16__", "-D__HAVE_BUILTIN_BSWAP32__",
                "-D__HAVE_BUILTIN_BSWAP64__", "-DKBUILD_MODNAME=\"bpftrace\"",
            ] + makefileMacros(architecture, configuration)
        case .clang:
            // The rule for BPF programs of the kernel's samples/bpf/Makefile; libbpf reads __TARGET_ARCH_…. Of the module's name
            // headers want a string, any will do, and this one needs no quotes.
            return [
                "-D__BPF_TRACING__", "-DKBUILD_MODNAME=__VERSION__", "-D__TARGET_ARCH_\(architecture)",
                "-Wno-unused-value", "-Wno-pointer-sign",
                "-Wno-compare-distinct-pointer-types", "-Wno-gnu-variable-sized-type-not-at-end",
                "-Wno-address-of-packed-member", "-Wno-tautological-compare", "-Wno-unknown-warning-option",
                "-fno-stack-protector", "-fms-extensions", "-Wno-microsoft-anon-tag", "-fno-asynchronous-unwind-tables",
            ] + makefileMacros(architecture, configuration)
                + (architecture == "mips"
                    ? ["-D__SANE_USERSPACE_TYPES__", "-I\(tree)/arch/mips/include/asm/mach-generic"] : [])
        }
    }

    /// What headers expect and only a Makefile defines.
    private static func makefileMacros(_ architecture: String, _ configuration: KernelConfiguration) -> [String] {
        switch architecture {
        case "arm": ["-D__LINUX_ARM_ARCH__=7"]
        case "arm64" where configuration.has("CONFIG_KASAN"):
            ["-DKASAN_SHADOW_SCALE_SHIFT=\(configuration.has("CONFIG_KASAN_SW_TAGS") ? 4 : 3)"]
        default: []
        }
    }
}
