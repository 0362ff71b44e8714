internal import Glibc

/// What tells a file from another one, and from itself after a change, without reading it.
struct FileIdentity: Codable, Equatable, Sendable {
    let path: String
    let device: UInt64
    let inode: UInt64
    let size: Int
    /// Nanoseconds since 1970; the second one no program can set.
    let modified: Int
    let changed: Int

    /// - Returns: nil if there is no such file.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.path = path
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int(status.st_size)
        modified = Self.nanoseconds(status.st_mtim)
        changed = Self.nanoseconds(status.st_ctim)
    }

    private static func nanoseconds(_ time: timespec) -> Int { time.tv_sec &* 1_000_000_000 &+ time.tv_nsec }
}
