internal import FoundationEssentials
internal import HeaderArchive
internal import KernelHeaders

/// What is in a pack, and the format of packs.
///
/// A pack is an immutable file, named by the SHA-256 of its bytes, written by one ingest (or a repack): contents of files
/// that the store did not have, manifests of trees, and the kernels these belong to. With all packs the catalogue can be
/// made again. Integers of fixed size are little-endian, `n` is LEB128 (``PackedWriter``):
///
/// ```
/// 8     magic "KHPACK", 0x00, version 0x01
///       the blocks: one zstd frame each, back to back
///       the manifests: one zstd frame each, back to back (StoredManifest)
///       the index: one zstd frame of
///         n blocks, each:     n compressed length, n raw length, n depth, n prefix blobs, each: n number
///         n blobs, in the order in which they lie in the blocks, each:
///                             n block, signed n number less the previous one's less one, n length, 32 SHA-256
///         n manifests, each:  n compressed length, n raw length, 32 tree digest, n files, n bytes,
///                             1 has a parent, and if it has: 32 its tree digest
///         n kernels, each:    n length, JSON of KernelRecord
///         of version 2 only:
///         n a random number, so that no two packs have the same bytes: one that brings back what was lost may hold just
///           what the lost one held, and must not be taken for it
///         n packs that this one stands for, each: 32 their digest
///         n lost blobs, each:     n number, n length, 32 SHA-256
///         n lost manifests, each: 32 tree digest, n files, n bytes
/// 24    footer: u64 index offset, u32 its compressed length, u32 its raw length, magic "KHPEND", 0x00, version 0x01
/// ```
///
/// **Versions.** What an ingest writes has version 1. A pack that was written anew, without what is dead or damaged, has
/// version 2 at both ends: it names the packs whose place it took, whose files a crash may have left, and what was damaged in
/// them, as manifests still name those blobs and an upload brings them back. That upload's pack has version 2 as well.
///
/// How hard its blocks were compressed a pack does not say: an ingest goes by their bytes (``tightBytes``), and whether one that
/// was written anew can become smaller is in the catalogue (``StoreRepack``).
///
/// **Numbers.** Each blob of the store has a number, given in the order of arrival and never again to another blob;
/// manifests and prefixes name blobs by it. The same contents may be there several times, each with a number of its own
/// (``BlockPlan``). **Prefix.** A block may be compressed with older blobs before it, of this
/// pack's ancestors: their contents, one after the other in the order given, are the frame's prefix. A block without one
/// has depth 0, one with a prefix one more than the deepest block that holds a blob of it; at most ``maximumDepth``.
struct PackIndex: Equatable {
    static let magic: [UInt8] = Array("KHPACK".utf8) + [0, 1]
    static let endMagic: [UInt8] = Array("KHPEND".utf8) + [0, 1]
    /// Of a pack that was written anew.
    static let rewrittenMagic: [UInt8] = Array("KHPACK".utf8) + [0, 2]
    static let rewrittenEndMagic: [UInt8] = Array("KHPEND".utf8) + [0, 2]
    static let footerLength = 24
    /// The deepest chain of prefixes: reading a block reads up to this many others first.
    static let maximumDepth = 8
    /// Raw bytes from which a block is closed. A larger file is a block of its own.
    static let blockSize = 1 << 20
    /// Up to this many raw bytes an ingest compresses tightly: a revision's changes. A whole new tree has ten times as much
    /// and would take half a minute, which a repack does later (``StoreRepack``).
    static let tightBytes = 4 << 20

    struct Block: Equatable {
        var offset: Int
        var compressedLength: Int
        var rawLength: Int
        var depth: Int
        var prefix: [Int]
    }

    struct Blob: Equatable {
        var number: Int
        var digest: Digest
        var length: Int
        var block: Int
        /// From the start of the block's raw bytes.
        var offset: Int
    }

    struct Manifest: Equatable {
        var offset: Int
        var compressedLength: Int
        var rawLength: Int
        var digest: Digest
        var files: Int
        var bytes: Int
        var parent: Digest?
    }

    /// What was damaged where the pack's contents lay before, and is not in it.
    struct Lost: Equatable {
        struct Blob: Equatable {
            var number: Int
            var digest: Digest
            var length: Int
        }
        struct Manifest: Equatable {
            var digest: Digest
            var files: Int
            var bytes: Int
        }
        var blobs: [Blob] = []
        var manifests: [Manifest] = []
        var isEmpty: Bool { blobs.isEmpty && manifests.isEmpty }
    }

    var blocks: [Block] = []
    var blobs: [Blob] = []
    var manifests: [Manifest] = []
    var kernels: [KernelRecord] = []
    /// The packs that this one stands for; nil of one that an ingest of new contents wrote.
    var replaced: [Digest]?
    /// With ``replaced``.
    var random = 0
    var lost = Lost()

    /// Whether the blocks are as an ingest compressed them, and that was tightly. Of a pack that was written anew only the
    /// catalogue knows.
    var isFromTightIngest: Bool {
        guard replaced?.isEmpty ?? true else { return false }
        var left = Self.tightBytes
        for block in blocks {
            guard block.rawLength <= left else { return false }
            left -= block.rawLength
        }
        return true
    }

    func encoded() throws -> [UInt8] {
        var writer = PackedWriter()
        writer.put(blocks.count)
        for block in blocks {
            for value in [block.compressedLength, block.rawLength, block.depth, block.prefix.count] + block.prefix {
                writer.put(value)
            }
        }
        writer.put(blobs.count)
        var previous = -1
        for blob in blobs {
            writer.put(blob.block)
            writer.putSigned(blob.number - previous - 1)
            writer.put(blob.length)
            writer.put(bytes: blob.digest.bytes)
            previous = blob.number
        }
        writer.put(manifests.count)
        for manifest in manifests {
            writer.put(manifest.compressedLength)
            writer.put(manifest.rawLength)
            writer.put(bytes: manifest.digest.bytes)
            writer.put(manifest.files)
            writer.put(manifest.bytes)
            writer.put(manifest.parent == nil ? 0 : 1)
            if let parent = manifest.parent { writer.put(bytes: parent.bytes) }
        }
        writer.put(kernels.count)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        for kernel in kernels { writer.put(Array(try encoder.encode(kernel))) }
        if let replaced {
            writer.put(random)
            put(replaced, &writer)
        }
        return writer.bytes
    }

    private func put(_ replaced: [Digest], _ writer: inout PackedWriter) {
        writer.put(replaced.count)
        for digest in replaced { writer.put(bytes: digest.bytes) }
        writer.put(lost.blobs.count)
        for blob in lost.blobs {
            writer.put(blob.number)
            writer.put(blob.length)
            writer.put(bytes: blob.digest.bytes)
        }
        writer.put(lost.manifests.count)
        for manifest in lost.manifests {
            writer.put(bytes: manifest.digest.bytes)
            writer.put(manifest.files)
            writer.put(manifest.bytes)
        }
    }

    /// - Parameter isRewritten: whether the pack has version 2.
    /// - Throws: `Problem` with `store-damaged`.
    init(encoded: [UInt8], isRewritten: Bool = false) throws {
        var reader = PackedReader(encoded)
        var offset = Self.magic.count
        for _ in 0..<(try reader.count()) {
            let compressed = try reader.integer()
            let raw = try reader.integer()
            let depth = try reader.integer()
            var prefix: [Int] = []
            for _ in 0..<(try reader.count()) { prefix.append(try reader.integer()) }
            blocks.append(
                Block(offset: offset, compressedLength: compressed, rawLength: raw, depth: depth, prefix: prefix))
            offset = try Self.sum(offset, compressed)
        }
        try readBlobs(&reader)
        for _ in 0..<(try reader.count()) {
            let compressed = try reader.integer()
            let raw = try reader.integer()
            let digest = try reader.digest()
            let files = try reader.integer()
            let bytes = try reader.integer()
            let parent = try reader.flag() ? try reader.digest() : nil
            manifests.append(
                Manifest(
                    offset: offset, compressedLength: compressed, rawLength: raw, digest: digest, files: files,
                    bytes: bytes,
                    parent: parent))
            offset = try Self.sum(offset, compressed)
        }
        for _ in 0..<(try reader.count()) {
            guard let kernel = try? JSONDecoder().decode(KernelRecord.self, from: Data(try reader.text())) else {
                throw PackedReader.damaged
            }
            kernels.append(kernel)
        }
        if isRewritten { try readReplaced(&reader) }
        guard reader.isAtEnd else { throw PackedReader.damaged }
    }

    private mutating func readReplaced(_ reader: inout PackedReader) throws {
        random = try reader.integer()
        var packs: [Digest] = []
        for _ in 0..<(try reader.count()) { packs.append(try reader.digest()) }
        replaced = packs
        for _ in 0..<(try reader.count()) {
            let number = try reader.integer()
            let length = try reader.integer()
            lost.blobs.append(.init(number: number, digest: try reader.digest(), length: length))
        }
        for _ in 0..<(try reader.count()) {
            let digest = try reader.digest()
            let files = try reader.integer()
            lost.manifests.append(.init(digest: digest, files: files, bytes: try reader.integer()))
        }
    }

    private mutating func readBlobs(_ reader: inout PackedReader) throws {
        var number = -1
        var ends = [Int](repeating: 0, count: blocks.count)
        for _ in 0..<(try reader.count()) {
            let block = try reader.integer()
            number = try Self.sum(try Self.sum(number, try reader.signedInteger()), 1)
            let length = try reader.integer()
            guard block < blocks.count, number >= 0 else { throw PackedReader.damaged }
            let blob = Blob(
                number: number, digest: try reader.digest(), length: length, block: block, offset: ends[block])
            ends[block] = try Self.sum(ends[block], length)
            guard ends[block] <= blocks[block].rawLength else { throw PackedReader.damaged }
            blobs.append(blob)
        }
    }

    init() {}

    private static func sum(_ one: Int, _ other: Int) throws -> Int {
        let (sum, overflow) = one.addingReportingOverflow(other)
        guard !overflow else { throw PackedReader.damaged }
        return sum
    }
}

/// A kernel as its pack remembers it.
struct KernelRecord: Codable, Equatable, Sendable {
    var identity: KernelIdentity
    var source: HeaderSource
    var treeDigest: Digest
    /// The SHA-256 of the archive as it was sent.
    var archiveDigest: Digest
    /// Seconds since 1970.
    var firstSeen: Int
    /// Where an agent found the headers, and the host if it uploaded them under a claim; not in older packs.
    var origin: HeaderOrigin?
    var uploader: HostID?
}
