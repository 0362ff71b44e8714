internal import HeaderArchive

/// How a boot image's payload is compressed, told by its first two bytes as the kernel itself tells it
/// (`compressed_formats` in `lib/decompress.c`).
enum PayloadCompression: String, CaseIterable {
    case gzip, bzip2, lzma, xz, lzo, lz4, zstd
    /// An ELF file as it is.
    case none = "uncompressed"

    /// - Parameter start: the payload's first bytes.
    /// - Returns: nil if it is none of these.
    init?(start: [UInt8]) {
        switch (start.first, start.dropFirst().first) {
        case (0x1F, 0x8B), (0x1F, 0x9E): self = .gzip
        case (0x42, 0x5A): self = .bzip2
        case (0x5D, 0x00): self = .lzma
        case (0xFD, 0x37): self = .xz
        case (0x89, 0x4C): self = .lzo
        case (0x02, 0x21): self = .lz4
        case (0x28, 0xB5): self = .zstd
        case (0x7F, 0x45): self = .none
        default: return nil
        }
    }

    /// Bytes at the payload's end that are not part of the compressed data: the kernel's build appends the
    /// uncompressed size, as gzip does itself (`size_append` in `scripts/Makefile.lib`).
    var trailerLength: Int { self == .gzip ? 0 : 4 }

    /// - Returns: nil for a form that is not read here.
    /// - Throws: what the decompressor's start throws.
    func open(_ source: any ByteSource) throws -> (any ByteSource)? {
        switch self {
        case .gzip: try GzipSource(source, ignoresTrailingData: true)
        case .lzma: try XZSource(source, legacyLZMA: true, memoryLimit: XZSource.payloadMemoryLimit)
        case .xz: try XZSource(source, memoryLimit: XZSource.payloadMemoryLimit)
        case .lz4: try LZ4LegacySource(source)
        case .zstd: try ZstdSource(source)
        case .bzip2, .lzo, .none: nil
        }
    }
}
