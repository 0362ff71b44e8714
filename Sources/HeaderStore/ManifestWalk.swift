internal import GRDB
internal import KernelHeaders

/// Reads many trees' manifests one after the other, without reading each one's parents again.
struct ManifestWalk {
    private static let kept = 32

    private let catalogue: Catalogue
    private let content: ContentReader
    private var raws: [(tree: Int, raw: [UInt8])] = []

    init(catalogue: Catalogue, content: ContentReader) {
        self.catalogue = catalogue
        self.content = content
    }

    /// - Throws: `Problem` with `store-damaged`.
    mutating func raw(_ row: TreeRow) throws -> [UInt8] {
        if let known = raws.first(where: { $0.tree == row.id }) { return known.raw }
        let raw: [UInt8]
        if row.damage != .manifest, let parent = row.parent {
            guard let parent = try catalogue.pool.unsafeReentrantRead({ try catalogue.tree(id: parent, $0) }) else {
                throw PackedReader.damaged
            }
            raw = try content.rawManifest(row, prefix: try self.raw(parent))
        } else {
            raw = try content.rawManifest(row, prefix: [])
        }
        raws.append((row.id, raw))
        if raws.count > Self.kept { raws.removeFirst() }
        return raw
    }

    mutating func manifest(_ row: TreeRow) throws -> StoredManifest { try StoredManifest(encoded: try raw(row)) }
}
