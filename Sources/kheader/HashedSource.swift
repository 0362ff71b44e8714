internal import HeaderArchive
internal import KernelHeaders

/// Hashes what is read through it.
final class HashedSource: ByteSource {
    private let source: any ByteSource
    private var hash = SHA256Hash()

    init(_ source: any ByteSource) { self.source = source }

    /// Of what was read; to be asked for once.
    var digest: Digest { hash.digest() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try source.read(into: buffer)
        hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        return count
    }
}
