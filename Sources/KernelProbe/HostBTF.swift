internal import Glibc
internal import HeaderArchive
public import KernelHeaders

/// The running kernel's BTF, `/sys/kernel/btf/vmlinux`, as it can be sent.
public struct HostBTF: Sendable {
    /// Where it is, for people.
    public let path: String
    /// Of the file.
    public let bytes: Int
    private let file: FileBytes

    /// The most bytes taken, as of an ELF file's.
    static let limit = Int(ELFImage.btfLimit)

    /// - Parameter root: where this host's `/` is.
    /// - Returns: nil if the kernel has none.
    /// - Throws: `Problem` with `btf-malformed` unless its header's sections lie in it, as ``KernelHeaders/BTFHeader`` says;
    ///   `SystemCallError` if it can't be read.
    public init?(root: String = "/") throws {
        let root = HostRoot(root)
        path = root("/sys/kernel/btf/vmlinux")
        do {
            file = try root.open("/sys/kernel/btf/vmlinux")
        } catch let error as SystemCallError where error.number == ENOENT {
            return nil
        } catch let error as ProbeError {
            throw Problem(.btfMalformed, error.description)
        }
        bytes = file.count
        guard bytes <= Self.limit else {
            throw Problem(.btfMalformed, "\(path) has \(bytes) bytes; the limit is \(Self.limit).")
        }
        _ = try BTFHeader(file.firstBytes(BTFHeader.length), fileLength: bytes)
    }

    /// Reads and hashes it.
    ///
    /// - Throws: what `check` throws; `SystemCallError`; `Problem` with `btf-malformed` if it ends early.
    public func digest(check: CancellationCheck = {}) throws -> KernelHeaders.Digest {
        var hash = SHA256Hash()
        var count = 0
        try RangeSource(file, 0..<bytes).drain { piece in
            try check()
            hash.update(piece)
            count += piece.count
        }
        guard count == bytes else { throw Problem(.btfMalformed, "\(path) ends after \(count) of its \(bytes) bytes.") }
        return hash.digest()
    }

    /// The same file, for who sends it.
    public var contents: CollectedArchive { CollectedArchive(file) }
}
