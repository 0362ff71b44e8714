internal import KernelHeaders

/// How an archive is compressed, told by its first bytes and never by its name.
public enum Compression: String, Sendable, CaseIterable {
    case xz, zstd, gzip
    /// A tar as it is.
    case none

    /// Bytes needed to tell: up to the end of the `ustar` magic of a tar's first header.
    static let prefixLength = 262

    /// - Parameter prefix: the first ``prefixLength`` bytes, or all there are.
    /// - Returns: nil if it is none of these.
    init?(prefix: some Collection<UInt8>) {
        let prefix = Array(prefix)
        if prefix.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) {
            self = .xz
        } else if prefix.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
            self = .zstd
        } else if prefix.starts(with: [0x1F, 0x8B]) {
            self = .gzip
        } else if prefix.count >= Self.prefixLength, prefix[257..<262].elementsEqual("ustar".utf8) {
            self = .none
        } else {
            return nil
        }
    }

    /// Opens an archive's tar, decompressed as its first bytes say.
    ///
    /// - Throws: `Problem` with `archive-empty`, `archive-format-unknown`, or what the source throws.
    public static func open(_ source: any ByteSource) throws -> (tar: any ByteSource, compression: Compression) {
        let peeked = try PeekedSource(source, count: prefixLength)
        guard !peeked.prefix.isEmpty else { throw Problem(.archiveEmpty, "The archive is empty. Send a tar file.") }
        guard let compression = Compression(prefix: peeked.prefix) else {
            throw Problem(
                .archiveFormatUnknown, "This is not a tar file (POSIX or GNU), nor one compressed by xz, zstd or gzip.")
        }
        switch compression {
        case .xz: return (try XZSource(peeked), compression)
        case .zstd: return (try ZstdSource(peeked), compression)
        case .gzip: return (try GzipSource(peeked), compression)
        case .none: return (peeked, compression)
        }
    }
}

/// A source whose first bytes can be looked at before they are read.
final class PeekedSource: ByteSource {
    private(set) var prefix: [UInt8]
    private var position = 0
    private let source: any ByteSource

    init(_ source: any ByteSource, count: Int) throws {
        self.source = source
        prefix = [UInt8](repeating: 0, count: count)
        let filled = try prefix.withUnsafeMutableBytes { try source.readFully(into: $0) }
        prefix.removeSubrange(filled...)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard position < prefix.count else { return try source.read(into: buffer) }
        let count = min(buffer.count, prefix.count - position)
        buffer.copyBytes(from: prefix[position..<position + count])
        position += count
        return count
    }
}
