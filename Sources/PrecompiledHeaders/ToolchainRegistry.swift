internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// Finds the clangs of this machine: those that an operator names, Debian's `/usr/lib/llvm-*/bin/clang`, and `clang` in each
/// folder of `PATH`.
///
/// They are looked for once, when first asked for: a clang that is installed later is seen after the next start.
public actor ToolchainRegistry {
    private let candidates: [String]
    private let patience: Duration
    private var found: Task<[InstalledToolchain], Never>?

    /// - Parameters:
    ///   - programs: paths of clangs that are used beside those found.
    ///   - path: the search path, folders separated by colons; nil for the environment's `PATH`.
    ///   - llvm: the folder that has an `llvm-VERSION` folder for each of Debian's.
    ///   - patience: how long a program may take to say what it is.
    public init(
        programs: [String] = [], path: String? = nil, llvm: String = "/usr/lib", patience: Duration = .seconds(10)
    ) {
        self.patience = patience
        let versioned = ((try? FolderListing.names(in: llvm)) ?? []).filter { $0.hasPrefix("llvm-") }.sorted()
        let path = path ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
        candidates =
            programs + versioned.map { "\(llvm)/\($0)/bin/clang" } + path.split(separator: ":").map { "\($0)/clang" }
    }

    /// The clangs that answered, each once, in the order of their version lines.
    public func installed() async -> [InstalledToolchain] {
        if let found { return await found.value }
        let (candidates, patience) = (candidates, patience)
        let task = Task {
            var toolchains: [Digest: InstalledToolchain] = [:]
            for candidate in candidates {
                guard let toolchain = await InstalledToolchain(program: candidate, patience: patience) else { continue }
                // The first place counts.
                toolchains[toolchain.toolchain.id] = toolchains[toolchain.toolchain.id] ?? toolchain
            }
            return toolchains.values.sorted {
                ($0.toolchain.version, $0.toolchain.target, $0.program)
                    < ($1.toolchain.version, $1.toolchain.target, $1.program)
            }
        }
        found = task
        return await task.value
    }

    public func toolchains() async -> [Toolchain] { await installed().map(\.toolchain) }
}
