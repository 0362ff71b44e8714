internal import Glibc
internal import HeaderArchive

/// This host's `/`, which for an agent in a container is a folder.
///
/// Links below it mean what they mean to the host: an absolute target (`/lib/modules/RELEASE/build` of Debian has one)
/// starts at the folder again, and `..` does not lead out of it. That is openat2(2)'s RESOLVE_IN_ROOT, done here so that it
/// works before Linux 5.6, and gives the path that was found.
public struct HostRoot: Sendable {
    /// The folder's path without a slash at its end; empty for `/`.
    private let base: String
    /// As many links as the kernel itself follows (`MAXSYMLINKS`).
    private static let linkLimit = 40

    public init(_ path: String = "/") {
        let end = path.utf8.lastIndex { $0 != UInt8(ascii: "/") }
        base = end.map { String(path[...$0]) } ?? ""
    }

    var isHostsOwn: Bool { base.isEmpty }

    /// Where something is that was found, without a link on the way.
    struct Place: Equatable {
        /// For the file system of this process.
        let path: String
        /// As the host names it: what a package's list of files has.
        let hostPath: String
    }

    /// A path of the host as this process names it, links not followed: for messages, and below `/sys` and `/proc`.
    func callAsFunction(_ hostPath: String) -> String { base + hostPath }

    /// Follows all links.
    ///
    /// - Parameter hostPath: starts with a slash.
    /// - Throws: `SystemCallError`: `ENOENT`, also for a link to nowhere; `EACCES`, `ELOOP`, `ENOTDIR`.
    func resolve(_ hostPath: String) throws -> Place {
        var pending = Self.names(hostPath)
        var found: [Substring] = []
        var links = 0
        while let name = pending.popLast() {
            if name == ".." {
                _ = found.popLast()
                continue
            }
            let path = base + Self.path(found + [name])
            var status = stat()
            try SystemCallError.check("lstat", path) { lstat(path, &status) }
            guard status.st_mode & S_IFMT == S_IFLNK else {
                found.append(name)
                continue
            }
            links += 1
            guard links <= Self.linkLimit, let target = SymbolicLink.target(of: path) else {
                throw SystemCallError(call: "readlink", path: path, number: links > Self.linkLimit ? ELOOP : errno)
            }
            if target.hasPrefix("/") { found = [] }
            pending += Self.names(target)
        }
        let hostPath = found.isEmpty ? "/" : Self.path(found)
        return Place(path: base + hostPath, hostPath: hostPath)
    }

    /// Opens a regular file for reading, links followed.
    ///
    /// - Throws: `SystemCallError`; ``ProbeError`` with `notAFile`.
    func open(_ hostPath: String) throws -> FileBytes { try FileBytes(path: resolve(hostPath).path) }

    /// What is in a file that is known to be small.
    ///
    /// - Throws: as ``open(_:)``; ``ProbeError`` with `tooLarge`.
    func read(_ hostPath: String, limit: Int = 1 << 20) throws -> [UInt8] {
        try Self.read(path: resolve(hostPath).path, limit: limit)
    }

    /// The same of a path without links. Files of `/proc` and `/sys` have no size before they are read.
    static func read(path: String, limit: Int = 1 << 20) throws -> [UInt8] {
        let file = try FileBytes(path: path)
        var bytes: [UInt8] = []
        try FileSource(borrowing: file.descriptor).drain { piece in
            guard piece.count <= limit - bytes.count else {
                throw ProbeError(.tooLarge, "\(path) has over \(limit) bytes.")
            }
            bytes.append(contentsOf: piece)
        }
        withExtendedLifetime(file) {}
        return bytes
    }

    /// The names in a path, the last one first.
    private static func names(_ path: String) -> [Substring] {
        var names = path.split(separator: "/").filter { $0 != "." }
        names.reverse()
        return names
    }

    private static func path(_ names: [Substring]) -> String {
        var path = ""
        for name in names {
            path.append("/")
            path.append(contentsOf: name)
        }
        return path
    }
}
