public import KernelHeaders

/// The variables by which tools find a kernel's tree: what `kheader exec` sets and `kheader env` prints, and no others.
public struct ToolEnvironment: Sendable, Equatable {
    /// The tree's folder, for tools that have no variable of their own. Ours.
    public static let tree = "KHEADER_TREE"
    /// The kernel that the tree belongs to, in hexadecimal. Ours.
    public static let buildID = "KHEADER_BUILD_ID"
    /// bcc: one folder with both the kernel's own and its generated headers; used as it is, instead of
    /// `/lib/modules/RELEASE` and its own unpacking of kheaders (`src/cc/frontends/clang/loader.cc`).
    public static let bccSource = "BCC_KERNEL_SOURCE"
    /// bpftrace: the kernel's own headers, and the generated ones (`get_kernel_dirs`).
    public static let bpftraceSource = "BPFTRACE_KERNEL_SOURCE"
    public static let bpftraceBuild = "BPFTRACE_KERNEL_BUILD"
    /// bpftrace: a file of raw BTF or an ELF file with some, instead of `/sys/kernel/btf/vmlinux`.
    public static let bpftraceBTF = "BPFTRACE_BTF"

    /// Names and values, in the order in which they are printed.
    public let variables: [(name: String, value: String)]

    /// - Parameters:
    ///   - tree: absolute, as tools change their working folder.
    ///   - btf: a file that is there: bpftrace 0.17 crashes on one that is not. Nil leaves the kernel's own to bpftrace.
    public init(tree: String, buildID: BuildID, btf: String?) {
        variables =
            [
                (Self.tree, tree), (Self.buildID, "\(buildID)"), (Self.bccSource, tree), (Self.bpftraceSource, tree),
                (Self.bpftraceBuild, tree),
            ] + (btf.map { [(Self.bpftraceBTF, $0)] } ?? [])
    }

    /// The variables that lead bcc to a PCH, and other tools to the tree.
    ///
    /// - Parameters:
    ///   - stubs: what bcc is to take for the tree.
    ///   - tree: nil leaves other tools what they have.
    public init(stubs: String, tree: String?, buildID: BuildID, btf: String?) {
        let others = tree.map { Self(tree: $0, buildID: buildID, btf: btf).variables } ?? [(Self.buildID, "\(buildID)")]
        variables = others.filter { $0.name != Self.bccSource } + [(Self.bccSource, stubs)]
    }

    /// What a user sets for bcc that a PCH does not go with: other headers, and macros that they ask for.
    public static let bccChoices = [bccSource, "BCC_LINUX_VERSION_CODE", "ARCH", "LD_LIBRARY_PATH"]

    public static func == (one: Self, other: Self) -> Bool {
        one.variables.elementsEqual(other.variables) { $0 == $1 }
    }
}
