internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// A derived file, a bundle or a PCH, that is open for sending: it stays readable when a cache has given it up. Reads with
/// `pread`, so that several ranges may be read at once.
public final class DerivedFile: Sendable {
    /// SHA-256 of the file, which is what its strong `ETag` and its `Repr-Digest` say.
    public let digest: Digest
    /// Bytes.
    public let length: Int
    private let descriptor: CInt

    /// Nil if there is no such file, or not of this length.
    init?(path: String, digest: Digest, length: Int) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == length else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        self.digest = digest
        self.length = length
    }

    deinit { close(descriptor) }

    /// Another descriptor of the same open file, for `sendfile(2)`; the caller closes it.
    ///
    /// - Throws: `Problem` with `store-damaged` if the file is no longer as long as it was; `SystemCallError`.
    public func duplicateDescriptor() throws -> CInt {
        // Past the end of a file that somebody cut short, sendfile sends nothing for ever.
        var status = stat()
        try SystemCallError.check("fstat", nil) { fstat(descriptor, &status) }
        guard Int(status.st_size) == length else {
            throw Problem(.storeDamaged, "A derived file is shorter than its record. Run a verify.")
        }
        return try SystemCallError.check("fcntl", nil) { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
    }

    /// Whether the bytes still have the digest.
    ///
    /// - Parameter pace: is told of the bytes of each piece before it is read.
    func isIntact(pace: (_ bytes: Int) throws -> Void) throws -> Bool {
        var hash = SHA256Hash()
        var offset = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        while offset < length {
            try pace(min(buffer.count, length - offset))
            let count = try read(at: offset, into: buffer)
            guard count > 0 else { return false }
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
        }
        return offset == length && hash.digest() == digest
    }

    /// Fills the buffer from an offset; answers how many bytes there were.
    ///
    /// - Throws: `SystemCallError`.
    public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try SystemCallError.check("pread", nil) { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
    }
}
