internal import Glibc
internal import HeaderArchive

/// A file that is written under another name beside its place, and appears whole.
public enum StagedFile {
    /// Copies a file.
    ///
    /// - Parameter destination: a regular file that is there, or that a link there leads to, is replaced, once the copy is
    ///   safely on disk; what is something else (a device, a FIFO) is written to.
    /// - Returns: its size in bytes.
    /// - Throws: `SystemCallError`; `CancellationError`. Nothing is left then of what would have been a regular file.
    public static func copy(_ origin: String, to destination: String, _ cancellation: Cancellation) throws -> Int {
        let source = try FileSource(path: origin)
        let destination = DownloadedFile.followed(destination)
        guard try DownloadedFile.isReplaced(destination) else {
            let output = try DownloadedFile.open(destination)
            defer { close(output) }
            return try source.copy(to: FileSink(borrowing: output), cancellation)
        }
        let file = try ScratchFile(prefix: "\(destination).")
        defer { close(file.descriptor) }
        do {
            let size = try source.copy(to: FileSink(borrowing: file.descriptor), cancellation)
            try SystemCallError.check("fsync", destination) { fsync(file.descriptor) }
            try file.publish(as: destination)
            return size
        } catch {
            unlink(file.path)
            throw error
        }
    }
}
