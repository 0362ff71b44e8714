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
    /// - Throws: ``CacheError``. Nothing was made then below a folder that is not safe.
    public init(_ text: String, userID: UInt32? = nil) throws(CacheError) {
        let userID = userID ?? geteuid()
        guard let absolute = Self.absolute(text) else { throw .unwritable(path: text, reason: "it has no name") }
        var missing: [String] = []
        var there = absolute
        // What is there already is checked first: below a folder of somebody else's, names can change their meaning.
        while true {
            if let resolved = realpath(there, nil) {
                defer { free(resolved) }
                there = String(cString: resolved)
                break
            }
            guard errno == ENOENT, let slash = there.utf8.lastIndex(of: UInt8(ascii: "/")), there != "/" else {
                throw .unwritable(path: absolute, reason: String(cString: strerror(errno)))
            }
            let name = String(there[there.utf8.index(after: slash)...])
            guard name != ".." else { throw .unwritable(path: absolute, reason: "'..' in it leads nowhere yet") }
            if !name.isEmpty, name != "." { missing.insert(name, at: 0) }
            there = slash == there.startIndex ? "/" : String(there[..<slash])
        }
        try Self.check(there, userID: userID, isCache: missing.isEmpty)
        path = try Self.make(missing, in: there)
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

    /// Makes folders one in the other, following no link.
    private static func make(_ names: [String], in parent: String) throws(CacheError) -> String {
        var path = parent
        var folder = open(parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        defer { if folder >= 0 { close(folder) } }
        for name in names {
            path += path == "/" ? name : "/\(name)"
            let isMade = mkdirat(folder, name, 0o755) == 0
            guard isMade || errno == EEXIST else {
                throw .unwritable(path: path, reason: String(cString: strerror(errno)))
            }
            let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard child >= 0 else { throw .unwritable(path: path, reason: String(cString: strerror(errno))) }
            close(folder)
            folder = child
            // A mask of 002 would let the group write.
            if isMade { fchmod(child, 0o755) }
            try checkOwn(path)
        }
        return path
    }

    /// Checks that a folder is root's or this user's, and that nobody else can write to it.
    ///
    /// - Throws: ``CacheError``.
    static func checkOwn(_ path: String, userID: UInt32? = nil) throws(CacheError) {
        try check(folder: path, userID: userID ?? geteuid(), maySticky: false)
    }

    /// Every folder from the root down must be root's or this user's, and writable by nobody else; one with the sticky
    /// bit, as `/tmp`, may be above, as what is in it can be renamed by its owner only.
    ///
    /// - Parameter isCache: whether it is the cache's own folder, and not one above it.
    private static func check(_ path: String, userID: UInt32, isCache: Bool) throws(CacheError) {
        var checked = ""
        for name in [""] + path.split(separator: "/").map(String.init) {
            checked += checked == "/" ? name : "/\(name)"
            try check(folder: checked, userID: userID, maySticky: checked != path || !isCache)
        }
    }

    private static func check(folder path: String, userID: UInt32, maySticky: Bool) throws(CacheError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw .unwritable(path: path, reason: String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .unwritable(path: path, reason: "it is not a folder") }
        guard status.st_uid == 0 || status.st_uid == userID else {
            throw .unsafe(path: path, reason: "it belongs to another user (\(status.st_uid))")
        }
        let isShared = status.st_mode & 0o022 != 0
        guard !isShared || (maySticky && status.st_mode & S_ISVTX != 0) else {
            throw .unsafe(path: path, reason: "other users can write to it")
        }
    }
}
