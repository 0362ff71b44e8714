internal import Glibc
internal import HeaderArchive
internal import Synchronization

/// A folder on the store's disk for work on derived files. It goes with all that is in it when nobody holds it, or at the
/// next start.
public final class StagingFolder: Sendable {
    public let path: String
    private let reservation: DiskBudget.Reservation
    private let isRemoved = Atomic(false)

    init(path: String, reservation: DiskBudget.Reservation) throws {
        self.path = path
        self.reservation = reservation
        // Not through the store's file system, whose files are durable: nobody misses what is in here after a crash.
        try SystemCallError.check("mkdir", path) { mkdir(path, 0o700) }
    }

    deinit { remove() }

    public func remove() {
        if !isRemoved.exchange(true, ordering: .sequentiallyConsistent) { FolderRemoval.remove(path) }
    }

    /// Writes a file in it.
    ///
    /// - Parameter body: calls what it is given with each piece of the contents.
    /// - Returns: its path.
    /// - Throws: `SystemCallError`, what the body throws.
    public func makeFile(
        _ name: String, _ body: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> String {
        let inside = "\(path)/\(name)"
        let descriptor = try SystemCallError.check("open", inside) {
            open(inside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
        }
        defer { close(descriptor) }
        let sink = FileSink(borrowing: descriptor)
        try body { try sink.write($0) }
        try sink.finish()
        return inside
    }

    /// Makes a folder in it.
    ///
    /// - Returns: its path.
    /// - Throws: `SystemCallError`.
    public func makeFolder(_ name: String) throws -> String {
        let inside = "\(path)/\(name)"
        try SystemCallError.check("mkdir", inside) { mkdir(inside, 0o700) }
        return inside
    }
}
