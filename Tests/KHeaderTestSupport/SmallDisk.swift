internal import Glibc
internal import HeaderArchive

/// A tmpfs of its own: a disk that can be full in earnest. Unmounted when nobody holds it.
public final class SmallDisk {
    public let path: String
    private let folder: TemporaryFolder

    /// Whether this process may mount.
    public static let canMount = (try? SmallDisk(bytes: 1 << 20)) != nil

    /// - Parameter bytes: what fits on it.
    public init(bytes: Int) throws {
        folder = try TemporaryFolder()
        path = try folder.makeFolder("disk")
        try SystemCallError.check("mount", path) { mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)") }
    }

    deinit { umount2(path, CInt(MNT_DETACH)) }

    /// Takes up all but so many bytes.
    public func fillUp(leaving bytes: Int) throws {
        var status = statvfs()
        try SystemCallError.check("statvfs", path) { statvfs(path, &status) }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        try TemporaryFolder.write([UInt8](repeating: 0, count: max(0, free - bytes)), to: "\(path)/ballast")
    }

    /// Frees what ``fillUp(leaving:)`` took.
    public func empty() throws {
        try SystemCallError.check("unlink", path) { unlink("\(path)/ballast") }
    }
}
