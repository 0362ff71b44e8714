internal import FoundationEssentials
internal import HeaderArchive
internal import Subprocess
internal import SystemPackage

/// Finds the clangs of this machine: Debian's `/usr/lib/llvm-*/bin/clang`, and `clang` in each folder of `PATH`.
///
/// They are looked for once, when first asked for: a clang that is installed later is seen after the next start.
public actor ToolchainRegistry {
    private let candidates: [String]
    private var found: Task<[Toolchain: String], Never>?

    /// - Parameters:
    ///   - path: the search path, folders separated by colons; nil for the environment's `PATH`.
    ///   - llvm: the folder that has an `llvm-VERSION` folder for each of Debian's.
    public init(path: String? = nil, llvm: String = "/usr/lib") {
        let versioned = ((try? FolderListing.names(in: llvm)) ?? []).filter { $0.hasPrefix("llvm-") }.sorted()
        let path = path ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
        candidates = versioned.map { "\(llvm)/\($0)/bin/clang" } + path.split(separator: ":").map { "\($0)/clang" }
    }

    /// The clangs that answered, each once, in the order of their version lines.
    public func toolchains() async -> [Toolchain] {
        await programs().keys.sorted { ($0.version, $0.target) < ($1.version, $1.target) }
    }

    private func programs() async -> [Toolchain: String] {
        if let found { return await found.value }
        let candidates = candidates
        let task = Task {
            var programs: [Toolchain: String] = [:]
            for candidate in candidates {
                if let toolchain = await Self.ask(candidate), programs[toolchain] == nil { programs[toolchain] = candidate }
            }
            return programs
        }
        found = task
        return await task.value
    }

    /// What a program says it is; nil if it is not there, not a clang, or does not answer.
    private static func ask(_ program: String) async -> Toolchain? {
        // A version is three lines; who prints more is something else.
        let result = try? await run(
            .path(FilePath(program)), arguments: ["--version"], input: .none, output: .string(limit: 1 << 14), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return Toolchain(versionOutput: result.standardOutput)
    }
}
