public import KernelHeaders

extension CompilerProfile {
    /// What `kheader flags --for clang` prints, for a kernel's own machine: `clang-x86`.
    public static func clang(architecture: Architecture, configuration: KernelConfiguration) -> CompilerProfile {
        CompilerProfile(
            name: "clang-\(architecture.sourceFolder)",
            flags: ["-target", triple(architecture)] + flags(architecture, configuration))
    }

    /// The same for `clang -target bpf`. Much of a kernel's headers is not made for it (its machine's assembler), and is left
    /// out.
    public static func bpf(architecture: Architecture, configuration: KernelConfiguration) -> CompilerProfile {
        CompilerProfile(name: "bpf", flags: ["-target", "bpf"] + flags(architecture, configuration))
    }

    /// The default triple of Debian's clang, which others take as well. A PCH has one, and programs must be compiled with it.
    private static func triple(_ architecture: Architecture) -> String {
        architecture.machine.hasPrefix("arm") ? "arm-linux-gnueabihf" : "\(architecture.machine)-pc-linux-gnu"
    }

    /// Optimised, as BPF programs have to be: it is a macro, too.
    private static func flags(_ architecture: Architecture, _ configuration: KernelConfiguration) -> [String] {
        ["-O2"] + ToolFlags(for: .clang, tree: ".", architecture: architecture, configuration: configuration).arguments
    }
}
