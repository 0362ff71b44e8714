internal import HeaderArchive
public import KernelHeaders

/// A file that is open for sending: a bundle, a PCH or a manifest.
public final class DerivedFile: Sendable {
    /// SHA-256 of the file, which is what its strong `ETag` and its `Repr-Digest` say.
    public let digest: Digest
    /// Bytes.
    public let length: Int
    public let contents: OpenFile

    /// Nil if there is no such file, or not of this length.
    init?(path: String, digest: Digest, length: Int) {
        guard let file = try? OpenFile(path: path), (try? file.length()) == length else { return nil }
        contents = file
        self.digest = digest
        self.length = length
    }

    /// In memory that no process has mapped, and the kernel sends as it sends a file.
    ///
    /// - Throws: `SystemCallError`.
    init(inMemory bytes: [UInt8]) throws {
        contents = try OpenFile(inMemory: bytes, name: "kheaderd")
        digest = SHA256Hash.digest(of: bytes)
        length = bytes.count
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
            let count = try contents.read(at: offset, into: buffer)
            guard count > 0 else { return false }
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
        }
        return offset == length && hash.digest() == digest
    }
}
