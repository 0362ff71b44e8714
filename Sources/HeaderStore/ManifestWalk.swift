internal import GRDB
internal import KernelHeaders

/// Reads many trees' manifests one after the other, without reading each one's parents again, as a rule.
///
/// Memory: ``keptBytes`` of raw forms, or the last one if that has more.
struct ManifestWalk {
    static let keptBytes = 32 << 20

    private let catalogue: Catalogue
    private let content: ContentReader
    /// By their trees.
    private var raws: RecentlyUsed<Int, [UInt8]>

    init(catalogue: Catalogue, content: ContentReader, keptBytes: Int = ManifestWalk.keptBytes) {
        raws = RecentlyUsed(limit: keptBytes)
        self.catalogue = catalogue
        self.content = content
    }

    /// - Throws: `Problem` with `store-damaged`.
    mutating func raw(_ row: TreeRow) throws -> [UInt8] {
        if let known = raws.value(row.id) { return known }
        let raw: [UInt8]
        if row.damage != .manifest, let parent = row.parent {
            guard let parent = try catalogue.pool.unsafeReentrantRead({ try catalogue.tree(id: parent, $0) }) else {
                throw PackedReader.damaged
            }
            raw = try content.rawManifest(row, prefix: try self.raw(parent))
        } else {
            raw = try content.rawManifest(row, prefix: [])
        }
        raws.keep(raw, weight: raw.count, for: row.id)
        raws.trim()
        return raw
    }

    mutating func manifest(_ row: TreeRow) throws -> StoredManifest { try StoredManifest(encoded: try raw(row)) }
}
