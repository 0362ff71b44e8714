/// A reading of many files of one tree, in the order of its manifest: each block is decompressed once as long as it is
/// among the last ``windowBytes``.
///
/// What it decompresses is at most ``BlockPlan/treeFactor`` times the tree's bytes, or ``BlockPlan/fileBytes`` if that is
/// more, whatever the store holds: uploads see to that. Memory: the window, the blocks that one file needs, and the file.
final class TreeReading {
    /// Raw bytes of blocks that are held.
    static let windowBytes = 32 << 20
    /// What a block takes in memory beside its bytes.
    static let entryBytes = 128

    private let content: ContentReader
    private var window = BlockWindow<[UInt8]>(limit: TreeReading.windowBytes, entryBytes: TreeReading.entryBytes)
    /// Raw bytes of all blocks so far, each time that one was decompressed.
    private(set) var decompressedBytes = 0

    /// - Parameter locations: what is going to be read, if that is known.
    /// - Throws: `DatabaseError`.
    init(_ content: ContentReader, of locations: [BlobLocation] = []) throws {
        self.content = content
        try content.findBases(of: locations)
    }

    /// - Throws: as ``ContentReader/contents(_:in:)``.
    func contents(_ location: BlobLocation) throws -> [UInt8] { try content.contents(location, in: self) }

    func block(_ key: BlockKey, decompress: () throws -> [UInt8]) throws -> [UInt8] {
        if let bytes = window.value(key) { return bytes }
        let bytes = try decompress()
        decompressedBytes += bytes.count
        window.keep(bytes, bytes: bytes.count, for: key)
        return bytes
    }
}
