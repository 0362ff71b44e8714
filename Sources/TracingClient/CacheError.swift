internal import HeaderTransport

/// Why the cache of trees can't be used as it is.
public enum CacheError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nothing says where the cache is: no option, no variable, no home folder.
    case noPlace
    /// Another user could put something into the folder, or in its place.
    case unsafe(path: String, reason: String)
    /// The folder can't be made or written.
    case unwritable(path: String, reason: String)
    /// There is no room left for a tree.
    case full(path: String)

    /// The stable code, as ``ProblemCode`` has them for refusals.
    public var code: String {
        switch self {
        case .noPlace: "cache-nowhere"
        case .unsafe: "cache-unsafe"
        case .unwritable: "cache-unwritable"
        case .full: "cache-full"
        }
    }

    public var description: String {
        switch self {
        case .noPlace:
            "There is no folder for the cache: HOME is not set. Name one with --cache or \(CacheFolder.variable). (\(code))"
        case .unsafe(let path, let reason):
            "The cache \(path) is not used: \(reason). Mend that, or name another folder with --cache. (\(code))"
        case .unwritable(let path, let reason):
            "The cache \(path) can't be written: \(reason). Name another folder with --cache. (\(code))"
        case .full(let path):
            "There is no room left in the cache \(path), and nothing was added. 'kheader cache clean' makes room, "
                + "or name another folder with --cache. (\(code))"
        }
    }
}
