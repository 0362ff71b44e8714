internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders

/// A file that was made of what a source brought, for everybody to read and nobody to change.
struct FilledFile {
    let digest: Digest
    let bytes: Int
    /// Its first bytes, up to ``headBytes``.
    let head: [UInt8]

    static let headBytes = 64

    /// - Parameters:
    ///   - path: what lies there is removed: it is begun again, if a connection broke.
    ///   - limit: the most bytes taken.
    ///   - excess: what is thrown if there are more.
    /// - Throws: `SystemCallError`; `CancellationError`; what the source throws.
    init(
        _ path: String, from source: any ByteSource, limit: Int, excess: @autoclosure () -> any Error,
        _ cancellation: Cancellation
    ) throws {
        unlink(path)
        let file = try SystemCallError.check("open", path) {
            open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o444)
        }
        defer { close(file) }
        let sink = FileSink(borrowing: file)
        var hash = SHA256Hash()
        var count = 0
        var head: [UInt8] = []
        try source.drain { piece in
            try cancellation.check()
            count += piece.count
            guard count <= limit else { throw excess() }
            hash.update(piece)
            head.append(contentsOf: piece.prefix(Self.headBytes - head.count))
            try sink.write(piece)
        }
        try sink.finish()
        (digest, bytes, self.head) = (hash.digest(), count, head)
    }
}
