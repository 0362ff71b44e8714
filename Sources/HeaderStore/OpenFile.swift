internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// A file that is open for sending: it stays readable when it has lost its name. Reads with `pread`, so that several may read
/// at once.
public final class OpenFile: Sendable {
    private let descriptor: CInt

    /// - Throws: `SystemCallError`.
    init(path: String) throws {
        descriptor = try SystemCallError.check("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
    }

    deinit { close(descriptor) }

    /// Bytes that the file has now.
    ///
    /// - Throws: `SystemCallError`.
    func length() throws -> Int {
        var status = stat()
        try SystemCallError.check("fstat", nil) { fstat(descriptor, &status) }
        return Int(status.st_size)
    }

    /// Another descriptor of the same open file, for `sendfile(2)`; the caller closes it.
    ///
    /// - Parameter end: how many bytes of the file are to be sent, and those before them.
    /// - Throws: `Problem` with `store-damaged` if the file is not as long; `SystemCallError`.
    public func duplicateDescriptor(upTo end: Int) throws -> CInt {
        // Past the end of a file that somebody cut short, sendfile sends nothing for ever.
        guard try length() >= end else {
            throw Problem(.storeDamaged, "A derived file is shorter than its record. Run a verify.")
        }
        return try SystemCallError.check("fcntl", nil) { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
    }

    /// Fills the buffer from an offset; answers how many bytes there were.
    ///
    /// - Throws: `SystemCallError`.
    public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try SystemCallError.check("pread", nil) { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
    }
}
