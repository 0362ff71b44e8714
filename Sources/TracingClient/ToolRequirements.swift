/// Programs that need more of a kernel than headers: what a tree lacks for them, said before they fail obscurely.
public enum ToolRequirements {
    /// What stands in a kernel's build folder beside its headers; kheaders archives, and thus most trees, have none of it.
    static let buildFiles = [".config", "Module.symvers", "Makefile", "scripts/Makefile.build"]

    /// A sentence if the program can't be served by the tree; nil if it can, or is not known to need more.
    ///
    /// - Parameter command: as `exec` is given it: a name or a path, then arguments.
    public static func notice(for command: [String], tree: ToolTree) -> String? {
        guard let program = command.first?.split(separator: "/").last else { return nil }
        guard let advice = advice(program, command) else {
            guard case .incomplete(let lacking) = tree.state else { return nil }
            return
                "\(lacking.joined(separator: " and ")) is missing or empty in \(tree.source): bcc, bpftrace and clang "
                + "will not compile with it. What was uploaded for this kernel is not all of its headers."
        }
        let lacking = buildFiles.filter { !tree.has($0) }
        guard !lacking.isEmpty else { return nil }
        return "\(program) needs \(lacking.joined(separator: ", ")) beside the headers, and \(tree.build) has headers "
            + "only. \(advice)"
    }

    private static func advice(_ program: Substring, _ command: [String]) -> String? {
        switch program {
        case "stap":
            "Install the kernel's build package on this host or another, and give its folder with 'stap -r DIR'; "
                + "user-space probes ('stap --dyninst') need none of it."
        case "make", "gmake", "dkms":
            "A kernel module is built in the folder of the kernel's build package: 'make -C DIR M=$PWD'. "
                + "'kheader flags' has what a compiler alone needs."
        case "perf" where command.dropFirst().contains { $0.hasSuffix(".c") || $0.contains(".c/") }:
            "For perf's BPF sources set kbuild-dir = \"\" and clang-opt = the output of 'kheader flags --for clang' "
                + "below [llvm] in ~/.perfconfig."
        default: nil
        }
    }
}
