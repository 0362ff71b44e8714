internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// Finds the clangs of this machine: those that an operator names, Debian's `/usr/lib/llvm-*/bin/clang`, and `clang` in each
/// folder of `PATH`.
///
/// They are looked for once, when first asked for: a clang that is installed later is seen after the next start.
public actor ToolchainRegistry {
    /// Those that an operator named, and all.
    private let named: [String]
    private let candidates: [String]
    private let patience: Duration
    private var found: Task<Found, Never>?

    private struct Found {
        let usable: [InstalledToolchain]
        let unusable: [String]
    }

    /// - Parameters:
    ///   - programs: paths of clangs that are used beside those found.
    ///   - path: the search path, folders separated by colons; nil for the environment's `PATH`.
    ///   - llvm: the folder that has an `llvm-VERSION` folder for each of Debian's.
    ///   - patience: how long a program may take to say what it is, in whole seconds.
    public init(
        programs: [String] = [], path: String? = nil, llvm: String = "/usr/lib", patience: Duration = .seconds(10)
    ) {
        self.patience = patience
        named = programs
        let versioned = ((try? FolderListing.names(in: llvm)) ?? []).filter { $0.hasPrefix("llvm-") }.sorted()
        let path = path ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
        var seen: Set<String> = []
        candidates =
            (programs + versioned.map { "\(llvm)/\($0)/bin/clang" }
            + path.split(separator: ":").map { "\($0)/clang" }).filter { seen.insert($0).inserted }
    }

    /// The clangs that answered, each once, in the order of their version lines.
    public func installed() async -> [InstalledToolchain] { await look().usable }

    private func look() async -> Found {
        if let found { return await found.value }
        let (candidates, named, patience) = (candidates, named, patience)
        let task = Task {
            var toolchains: [Digest: InstalledToolchain] = [:]
            var unusable: [String] = []
            for candidate in candidates {
                guard let toolchain = await InstalledToolchain(program: candidate, patience: patience) else {
                    if named.contains(candidate) { unusable.append(candidate) }
                    continue
                }
                // The first place counts.
                toolchains[toolchain.toolchain.id] = toolchains[toolchain.toolchain.id] ?? toolchain
            }
            let usable = toolchains.values.sorted {
                ($0.toolchain.version, $0.toolchain.target, $0.program)
                    < ($1.toolchain.version, $1.toolchain.target, $1.program)
            }
            return Found(usable: usable, unusable: unusable)
        }
        found = task
        return await task.value
    }

    /// The programs that an operator named and that can't be used, and why.
    public func unusable() async -> [(program: String, reason: String)] {
        await look().unusable.map { program in
            let reason =
                access(program, X_OK) == 0
                ? "it does not answer as a clang does (--version, -print-resource-dir)"
                : String(cString: strerror(errno))
            return (program, reason)
        }
    }

    public func toolchains() async -> [Toolchain] { await installed().map(\.toolchain) }
}
