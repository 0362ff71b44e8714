internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// An open file that is to be sent: its size and digest are known before the first byte goes out.
public final class UploadFile: Sendable {
    /// In bytes.
    public let size: Int
    /// The SHA-256 of its bytes.
    public let digest: KernelHeaders.Digest
    /// What to call it in messages.
    public let name: String
    private let descriptor: CInt

    /// Opens a file and reads it once.
    ///
    /// - Throws: `SystemCallError`; `Problem` if it is not a regular file; `CancellationError`.
    public convenience init(path: String, cancellation: Cancellation) throws {
        let descriptor = try SystemCallError.check("open", path) { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        try self.init(owning: descriptor, name: path, cancellation: cancellation)
    }

    /// - Parameters:
    ///   - descriptor: of a regular file; is closed at the end, also if this throws.
    ///   - known: its size and digest, if they were found before; else it is read once.
    /// - Throws: as ``init(path:cancellation:)``.
    public init(
        owning descriptor: CInt, name: String, known: (size: Int, digest: KernelHeaders.Digest)? = nil,
        cancellation: Cancellation
    ) throws {
        self.descriptor = descriptor
        self.name = name
        do {
            (size, digest) = try known ?? Self.measure(descriptor, name, cancellation)
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    // The size counts what was read: files of /sys may report another one.
    private static func measure(_ descriptor: CInt, _ name: String, _ cancellation: Cancellation) throws
        -> (Int, KernelHeaders.Digest)
    {
        var status = stat()
        try SystemCallError.check("fstat", name) { fstat(descriptor, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Problem(.parameterMalformed, "\(name) is not a file. Name an archive, or a folder of headers.")
        }
        try SystemCallError.check("lseek", name) { lseek(descriptor, 0, SEEK_SET) }
        var hash = SHA256Hash()
        var size = 0
        try FileSource(borrowing: descriptor).drain(chunk: 1 << 18) { bytes in
            try cancellation.check()
            hash.update(bytes)
            size += bytes.count
        }
        return (size, hash.digest())
    }

    /// Reads at an offset, so that several attempts, or a rewind in the middle, do not disturb one another.
    ///
    /// - Returns: how many bytes were read; 0 at the end of the file.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try SystemCallError.check("pread", name) { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
    }
}
