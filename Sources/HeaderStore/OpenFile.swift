internal import CLinux
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

    /// A file in memory, without a name (`memfd_create(2)`).
    ///
    /// - Throws: `SystemCallError`.
    init(inMemory bytes: [UInt8], name: String) throws {
        descriptor = try SystemCallError.check("memfd_create", nil) { khd_memory_file(name) }
        do {
            let sink = FileSink(borrowing: descriptor)
            try bytes.withUnsafeBytes { try sink.write($0) }
            try sink.finish()
        } catch {
            close(descriptor)
            throw error
        }
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

    /// The descriptor, for `sendfile(2)`; it is the file's, and open as long as this is.
    ///
    /// - Parameter end: how many bytes of the file are to be sent, and those before them.
    /// - Throws: `Problem` with `store-damaged` if the file is not as long; `SystemCallError`.
    public func descriptor(upTo end: Int) throws -> CInt {
        // Past the end of a file that somebody cut short, sendfile sends nothing for ever.
        guard try length() >= end else {
            throw Problem(.storeDamaged, "A derived file is shorter than its record. Run a verify.")
        }
        return descriptor
    }

    /// Fills the buffer from an offset; answers how many bytes there were.
    ///
    /// - Throws: `SystemCallError`.
    public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try SystemCallError.check("pread", nil) { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
    }
}
