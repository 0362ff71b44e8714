internal import GRDB
internal import KernelHeaders

/// What some blobs are compressed with: looks only into the packs that they are in.
struct PackBases {
    private let catalogue: Catalogue
    private let layout: StoreLayout
    /// Of each block of a pack, by the pack's number.
    private var prefixes: [Int: [[Int]]] = [:]

    init(catalogue: Catalogue, layout: StoreLayout) {
        self.catalogue = catalogue
        self.layout = layout
    }

    /// - Returns: the numbers of the blobs without which these can't be read, one step far.
    /// - Throws: `Problem` with `store-damaged`.
    mutating func of(_ numbers: Set<Int>) throws -> Set<Int> {
        var bases: Set<Int> = []
        let locations = try catalogue.pool.read { try catalogue.locations(of: Array(numbers), $0) }
        for location in locations where !location.isLost {
            let blocks = try prefixes[location.pack] ?? read(location.pack)
            guard location.block < blocks.count else { throw PackedReader.damaged }
            bases.formUnion(blocks[location.block])
        }
        return bases
    }

    private mutating func read(_ pack: Int) throws -> [[Int]] {
        guard let digest = try catalogue.pool.read({ try catalogue.packDigest(pack, $0) }) else {
            throw PackedReader.damaged
        }
        let blocks = try PackReader(digest, layout: layout).readIndex().blocks.map(\.prefix)
        prefixes[pack] = blocks
        return blocks
    }
}
