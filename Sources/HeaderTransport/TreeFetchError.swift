public import KernelHeaders

/// Why a tree was not unpacked. Nothing of it was left behind.
public enum TreeFetchError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is something where the tree should go.
    case destinationTaken(String)
    /// The place cannot be a folder of its own.
    case destinationUnusable(String, reason: String)
    /// The bundle is not a good archive.
    case bundleRefused(Problem)
    /// The bundle is a good archive, but of another tree.
    case treeDiffers(asked: KernelHeaders.Digest, found: KernelHeaders.Digest)

    /// The stable code, as ``ProblemCode`` has them for refusals.
    public var code: String {
        switch self {
        case .destinationTaken: "folder-not-empty"
        case .destinationUnusable: "folder-unusable"
        case .bundleRefused(let problem): problem.code.rawValue
        case .treeDiffers: "tree-differs"
        }
    }

    public var description: String {
        switch self {
        case .destinationTaken(let path):
            "\(path) is there and is not an empty folder. Remove it, or name another one with --to. (\(code))"
        case .destinationUnusable(let path, let reason):
            "The tree cannot go to '\(path)': \(reason). (\(code))"
        case .bundleRefused(let problem):
            "The server's bundle cannot be unpacked, and nothing was: \(problem.detail) (\(code))"
        case .treeDiffers(let asked, let found):
            "The server sent another tree (\(found)) than the one asked for (\(asked)), and nothing was unpacked. Is its store damaged, or somebody in between? (\(code))"
        }
    }
}
