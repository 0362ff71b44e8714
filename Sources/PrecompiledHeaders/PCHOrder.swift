internal import HeaderArchive
public import KernelHeaders

/// A PCH that somebody wants: everything that its bytes depend on.
public struct PCHOrder: Hashable, Sendable {
    /// Changes whenever ``PCHBuilder`` makes other bytes of the same order.
    public static let recipe = 2

    public let tree: Digest
    public let architecture: Architecture
    public let toolchain: Toolchain
    public let profile: CompilerProfile
    public let umbrella: Umbrella

    public init(
        tree: Digest, architecture: Architecture, toolchain: Toolchain, profile: CompilerProfile, umbrella: Umbrella
    ) {
        self.tree = tree
        self.architecture = architecture
        self.toolchain = toolchain
        self.profile = profile
        self.umbrella = umbrella
    }

    /// What the PCH is named by: SHA-256 of ``canonicalForm``.
    ///
    /// Nothing that changes code may be missing from it, as clang does not look: with a `-D` missing it lays out
    /// `task_struct` wrongly and says nothing.
    public var key: Digest { SHA256Hash.digest(of: Array(canonicalForm.utf8)) }

    /// See ``PCHManifest/arguments``.
    public var clientArguments: [String] {
        ClientArguments(profile: profile, flags: profile.flags(for: architecture)).list
    }

    /// One line a part, each with its length before its text, so that no two orders have one form.
    var canonicalForm: String {
        let flags = profile.flags(for: architecture)
        let (macros, others) = Self.split(flags)
        let parts: [(String, String)] =
            [
                ("recipe", "\(Self.recipe)"), ("tree", "\(tree)"), ("architecture", architecture.machine),
                ("toolchain", "\(toolchain.id)"),
            ] + macros.sorted().map { ("define", $0) } + others.map { ("flag", $0) }
            + profile.headers.sorted { $0.key < $1.key }.flatMap { [("own", $0.key), ("text", $0.value)] }
            + [("prologue", profile.prologue), ("byName", "\(profile.isFoundByName)"), ("umbrella", umbrella.name)]
            + umbrella.headers.map { ("include", $0) }
        return parts.map { "\($0.0) \($0.1.utf8.count) \($0.1)\n" }.joined()
    }

    /// Macros in any order are the same macros, unless one is defined twice, or undefined: then all flags keep their order.
    private static func split(_ flags: [String]) -> (macros: [String], others: [String]) {
        let macros = flags.filter { $0.hasPrefix("-D") }
        let names = macros.map { $0.dropFirst(2).prefix { $0 != "=" } }
        guard Set(names).count == names.count, !macros.contains("-D"), !flags.contains(where: { $0.hasPrefix("-U") })
        else { return ([], flags) }
        return (macros, flags.filter { !$0.hasPrefix("-D") })
    }
}
