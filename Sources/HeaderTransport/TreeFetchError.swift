public import KernelHeaders

/// Why a tree was not unpacked. Nothing of it was left behind.
public enum TreeFetchError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is something where the tree should go.
    case destinationTaken(String)
    /// The place cannot be a folder of its own.
    case destinationUnusable(String, reason: String)
    /// The bundle is not a good archive.
    case bundleRefused(Problem)
    /// The bundle is not what the manifest says; `path` is where it first differs.
    case treeDiffers(path: String, what: String)

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
        case .treeDiffers(let path, let what):
            "The server's bundle is not the tree of its manifest, and nothing was unpacked: \(path) \(what). (\(code))"
        }
    }
}
