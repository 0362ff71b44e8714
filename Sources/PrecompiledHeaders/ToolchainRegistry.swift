internal import FoundationEssentials
internal import HeaderArchive
internal import Subprocess
internal import SystemPackage

/// Finds the clangs of this machine: Debian's `/usr/lib/llvm-*/bin/clang`, and `clang` in each folder of `PATH`.
///
/// They are looked for once, when first asked for: a clang that is installed later is seen after the next start.
public actor ToolchainRegistry {
    private let candidates: [String]
    private let patience: Duration
    private var found: Task<Set<Toolchain>, Never>?

    /// - Parameters:
    ///   - path: the search path, folders separated by colons; nil for the environment's `PATH`.
    ///   - llvm: the folder that has an `llvm-VERSION` folder for each of Debian's.
    ///   - patience: how long a program may take to say its version.
    public init(path: String? = nil, llvm: String = "/usr/lib", patience: Duration = .seconds(10)) {
        self.patience = patience
        let versioned = ((try? FolderListing.names(in: llvm)) ?? []).filter { $0.hasPrefix("llvm-") }.sorted()
        let path = path ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
        candidates = versioned.map { "\(llvm)/\($0)/bin/clang" } + path.split(separator: ":").map { "\($0)/clang" }
    }

    /// The clangs that answered, each once, in the order of their version lines.
    public func toolchains() async -> [Toolchain] {
        await find().sorted { ($0.version, $0.target) < ($1.version, $1.target) }
    }

    private func find() async -> Set<Toolchain> {
        if let found { return await found.value }
        let (candidates, patience) = (candidates, patience)
        let task = Task {
            var toolchains: Set<Toolchain> = []
            for candidate in candidates {
                if let toolchain = await Self.ask(candidate, patience) { toolchains.insert(toolchain) }
            }
            return toolchains
        }
        found = task
        return await task.value
    }

    /// What a program says it is; nil if it is not there, not a clang, or does not answer.
    private static func ask(_ program: String, _ patience: Duration) async -> Toolchain? {
        await withTaskGroup(of: Toolchain?.self) { group in
            group.addTask { await ask(program) }
            group.addTask {
                try? await Task.sleep(for: patience)
                return nil
            }
            // Cancelling ends the program.
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private static func ask(_ program: String) async -> Toolchain? {
        // A version is three lines; who prints more is something else.
        let result = try? await run(
            .path(FilePath(program)), arguments: ["--version"], input: .none, output: .string(limit: 1 << 14),
            error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return Toolchain(versionOutput: result.standardOutput)
    }
}
