internal import GRDB
internal import KernelHeaders

/// What lies in which pack, and what it is compressed with, out of all packs' indexes: 24 bytes a blob, and 48 a block with a
/// prefix, which may have as few as one.
struct PackMap {
    struct Blob {
        var number: Int
        var block: Int32
        /// Raw bytes; of a file, which are less than 4 GB.
        var length: UInt32
    }

    struct Pack {
        var id: Int
        var digest: Digest
        /// Of the file.
        var bytes: Int
        var blobs: [Blob] = []
        /// Of each block, the numbers of the blobs that it leans on.
        var prefixes: [[Int]] = []
        var kernels: [KernelRecord] = []
        /// False if its index can't be read: nothing of it is known here.
        var isReadable = true
    }

    private(set) var packs: [Pack]

    init(_ catalogue: Catalogue, _ layout: StoreLayout) throws {
        try self.init(of: try catalogue.pool.read { try catalogue.packs($0) }, layout)
    }

    /// - Parameter rows: as ``Catalogue/packs(_:)`` has them.
    init(of rows: [(id: Int, digest: Digest, bytes: Int)], _ layout: StoreLayout) throws {
        packs = try rows.map { try Self.pack($0, layout) }
    }

    static func pack(_ row: (id: Int, digest: Digest, bytes: Int), _ layout: StoreLayout) throws -> Pack {
        var pack = Pack(id: row.id, digest: row.digest, bytes: row.bytes)
        guard let index = try PackReader.unlessDamaged({ try PackReader(row.digest, layout: layout).readIndex() })
        else {
            pack.isReadable = false
            return pack
        }
        pack.prefixes = index.blocks.map(\.prefix)
        pack.kernels = index.kernels
        pack.blobs = index.blobs.map {
            .init(number: $0.number, block: Int32($0.block), length: UInt32(clamping: $0.length))
        }
        return pack
    }

    /// Adds the blobs that these are compressed with, and those that they are: without them, these can't be read.
    func addBases(of numbers: inout Set<Int>) {
        var hasGrown = true
        while hasGrown {
            hasGrown = false
            // Bases are older, and older ones mostly lie in earlier packs.
            for pack in packs.reversed() {
                for blob in pack.blobs where numbers.contains(blob.number) {
                    for base in pack.prefixes[Int(blob.block)] where numbers.insert(base).inserted { hasGrown = true }
                }
            }
        }
    }

    /// Adds the blobs that are compressed with these: without these, they can't be read.
    func addDependents(of numbers: inout Set<Int>) {
        var hasGrown = true
        while hasGrown {
            hasGrown = false
            for pack in packs {
                for blob in pack.blobs where !numbers.contains(blob.number) {
                    guard pack.prefixes[Int(blob.block)].contains(where: numbers.contains) else { continue }
                    numbers.insert(blob.number)
                    hasGrown = true
                }
            }
        }
    }

    /// Packs whose indexes can't be read had those kernels that no other pack has: each goes with its tree, without which a
    /// rebuild can't use a pack. Those whose trees other packs have came after them: the last one has them.
    mutating func findKernelsOfUnreadable(_ catalogue: Catalogue) throws {
        let unreadable = packs.indices.filter { !packs[$0].isReadable }
        guard let last = unreadable.last else { return }
        let (elsewhere, all, trees) = try catalogue.pool.read { database in
            (
                try packs.flatMap(\.kernels).filter { try catalogue.has($0, database) }.map(\.identity.buildID),
                try catalogue.records(database), try catalogue.trees(database)
            )
        }
        let known = Set(elsewhere)
        let positions = Dictionary(uniqueKeysWithValues: unreadable.map { (packs[$0].digest, $0) })
        let homes = Dictionary(uniqueKeysWithValues: trees.map { ($0.digest, positions[$0.pack] ?? last) })
        for kernel in all where !known.contains(kernel.identity.buildID) {
            packs[homes[kernel.treeDigest] ?? last].kernels.append(kernel)
        }
    }
}
