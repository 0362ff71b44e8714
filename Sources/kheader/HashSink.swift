internal import HeaderArchive
internal import KernelHeaders

/// Hashes what is written to it, and keeps nothing.
final class HashSink: ByteSink {
    private var hash = SHA256Hash()

    /// Of what was written; to be asked for once.
    var digest: Digest { hash.digest() }

    func write(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }
    func finish() {}
}
