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
    /// What ``next()`` has not read yet.
    private var rest: ArraySlice<BlobLocation>
    /// Raw bytes of all blocks so far, each time that one was decompressed.
    private(set) var decompressedBytes = 0

    init(_ content: ContentReader) {
        self.content = content
        rest = []
    }

    /// A reading of all files of a tree, by ``next()``.
    ///
    /// - Throws: `Problem` with `store-damaged`; `DatabaseError`.
    convenience init(_ content: ContentReader, of tree: StoredTree) throws {
        self.init(content)
        let locations = try content.locations(of: tree.numbers.compactMap(\.self))
        try content.findBases(of: locations)
        rest = locations[...]
    }

    /// The contents of the tree's next file.
    ///
    /// - Throws: as ``ContentReader/contents(_:in:)``.
    func next() throws -> [UInt8] { try contents(rest.removeFirst()) }

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
