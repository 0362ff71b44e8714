internal import Glibc
internal import HeaderArchive

/// An open regular file, read with `pread`.
///
/// Not mapped: a mapped file that is cut short while it is read kills the process (SIGBUS).
final class FileBytes: RandomAccessBytes {
    let count: Int
    let descriptor: CInt

    /// - Throws: `SystemCallError`; ``ProbeError`` with `notAFile`.
    convenience init(path: String) throws {
        // Without O_NONBLOCK, opening a pipe waits for a writer that may never come.
        try self.init(
            owning: SystemCallError.check("open", path) { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }, name: path)
    }

    /// - Parameters:
    ///   - descriptor: is closed at the end, also if this throws.
    ///   - path: what to call it in messages.
    init(owning descriptor: CInt, name path: String) throws {
        self.descriptor = descriptor
        var status = stat()
        let answer = fstat(descriptor, &status)
        count = Int(status.st_size)
        guard answer == 0, status.st_mode & S_IFMT == S_IFREG else {
            // Everything is set by now, so that deinit closes it.
            throw ProbeError(.notAFile, "\(path) is not a regular file.")
        }
    }

    deinit { close(descriptor) }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < buffer.count {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let read = try SystemCallError.check("pread", nil) {
                pread(descriptor, piece.baseAddress, piece.count, off_t(offset + filled))
            }
            if read == 0 { break }
            filled += read
        }
        return filled
    }
}
