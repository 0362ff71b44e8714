internal import Glibc

/// An open file, pipe or socket as a source. Owns the descriptor, or borrows it.
public final class FileSource: ByteSource {
    private let descriptor: CInt
    private let closes: Bool

    /// Opens a file for reading.
    ///
    /// - Throws: ``SystemCallError``.
    public init(path: String) throws {
        descriptor = try SystemCallError.check("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
        closes = true
    }

    /// Reads from a descriptor that the caller keeps open, from where it stands.
    public init(borrowing descriptor: CInt) {
        self.descriptor = descriptor
        closes = false
    }

    deinit { if closes { close(descriptor) } }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try SystemCallError.check("read", nil) { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
    }
}
