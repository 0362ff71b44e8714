internal import Glibc
internal import HeaderArchive

/// The folder that the cached trees are in, checked: no other user can write to it, or put another in its place.
///
/// A tracing tool compiles what it finds there and loads it into the kernel, often as root, so a folder that somebody
/// else can write to is as good as giving them root.
public struct CacheFolder: Sendable, Equatable {
    /// The variable that names the folder when no option does.
    public static let variable = "KHEADER_CACHE"

    /// Absolute, without symbolic links in it.
    public let path: String

    /// Where the cache is: the option, else ``variable``, else `/run/kheader` for root, else `kheader` in
    /// `$XDG_RUNTIME_DIR`, in `$XDG_CACHE_HOME`, or in `~/.cache`.
    ///
    /// - Throws: ``CacheError/noPlace``.
    public static func place(
        option: String?, userID: UInt32? = nil, environment: (String) -> String? = Self.environment
    ) throws(CacheError) -> String {
        if let named = option ?? environment(variable) { return named }
        if userID ?? geteuid() == 0 { return "/run/kheader" }
        for name in ["XDG_RUNTIME_DIR", "XDG_CACHE_HOME"] {
            // The XDG specification: what is not absolute is to be ignored.
            if let folder = environment(name), folder.hasPrefix("/") { return "\(folder)/kheader" }
        }
        guard let home = environment("HOME"), home.hasPrefix("/") else { throw .noPlace }
        return "\(home)/.cache/kheader"
    }

    /// A variable's value; nil if it is not set, or empty.
    public static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Makes the folder if it is not there, with those above it, and checks it.
    ///
    /// - Throws: ``CacheError``.
    public init(_ text: String, userID: UInt32? = nil) throws(CacheError) {
        guard let absolute = Self.absolute(text) else {
            throw .unwritable(path: text, reason: "it has no name")
        }
        try Self.make(absolute)
        guard let resolved = realpath(absolute, nil) else {
            throw .unwritable(path: text, reason: String(cString: strerror(errno)))
        }
        defer { free(resolved) }
        path = String(cString: resolved)
        try Self.check(path, userID: userID ?? geteuid())
    }

    /// Whether this process can write there.
    var isWritable: Bool { access(path, W_OK) == 0 }

    private static func absolute(_ text: String) -> String? {
        guard !text.isEmpty else { return nil }
        if text.hasPrefix("/") { return text }
        guard let folder = getcwd(nil, 0) else { return nil }
        defer { free(folder) }
        return "\(String(cString: folder))/\(text)"
    }

    private static func make(_ path: String) throws(CacheError) {
        var made = ""
        for name in path.split(separator: "/") {
            made += "/\(name)"
            // A mask of 002 would let the group write.
            if mkdir(made, 0o755) == 0 {
                chmod(made, 0o755)
            } else if errno != EEXIST, errno != EACCES, errno != EROFS {
                throw .unwritable(path: path, reason: String(cString: strerror(errno)))
            }
        }
        guard access(path, F_OK) == 0 else {
            throw .unwritable(path: path, reason: String(cString: strerror(errno)))
        }
    }

    /// Every folder from the root down must be root's or this user's, and writable by nobody else; one with the sticky
    /// bit, as `/tmp`, may be above, as what is in it can be renamed by its owner only.
    private static func check(_ path: String, userID: UInt32) throws(CacheError) {
        var checked = ""
        for name in [""] + path.split(separator: "/").map(String.init) {
            checked += checked == "/" ? name : "/\(name)"
            var status = stat()
            guard lstat(checked, &status) == 0 else {
                throw .unwritable(path: path, reason: String(cString: strerror(errno)))
            }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw .unwritable(path: path, reason: "\(checked) is not a folder")
            }
            guard status.st_uid == 0 || status.st_uid == userID else {
                throw .unsafe(path: path, reason: "\(checked) belongs to another user (\(status.st_uid))")
            }
            let isShared = status.st_mode & 0o022 != 0
            guard !isShared || (checked != path && status.st_mode & S_ISVTX != 0) else {
                throw .unsafe(path: path, reason: "other users can write to \(checked)")
            }
        }
    }
}
