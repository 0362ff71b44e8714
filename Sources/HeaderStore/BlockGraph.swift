internal import KernelHeaders

/// How blocks lean on one another, and so what reading them decompresses: those in the store, and those that an upload is
/// about to add.
struct BlockGraph {
    /// A block, as far as reading others goes.
    struct Node: Sendable {
        var rawLength: Int
        var depth: Int
        /// The blocks that hold its prefix, in its order; one that is needed several times in a row is there once.
        var bases: [BlockKey]
    }

    private let content: ContentReader
    /// Those that are not in the store yet.
    private var planned: [BlockKey: Node] = [:]
    private var closures: [BlockKey: Set<BlockKey>] = [:]

    init(content: ContentReader) { self.content = content }

    /// The key of an upload's own block: no pack has such a number.
    static func planned(_ position: Int) -> BlockKey { BlockKey(pack: -1, block: position) }

    /// Takes these blocks, in the order of ``planned(_:)``, for those of the upload.
    mutating func plan(_ nodes: [Node]) {
        planned = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { (Self.planned($0), $1) })
    }

    /// Nil if the block can't be read.
    func node(_ key: BlockKey) throws -> Node? {
        if let node = planned[key] { return node }
        return try PackReader.unlessDamaged { try content.node(key) }
    }

    /// The block, and all without which it can't be read. Of blocks in the store.
    mutating func closure(of key: BlockKey) throws -> Set<BlockKey> {
        if let known = closures[key] { return known }
        var closure: Set = [key]
        for base in try node(key)?.bases ?? [] { closure.formUnion(try self.closure(of: base)) }
        closures[key] = closure
        return closure
    }

    /// Raw bytes of these blocks.
    func bytes(of blocks: Set<BlockKey>) throws -> Int { try blocks.reduce(0) { $0 + (try node($1)?.rawLength ?? 0) } }

    /// Of what is stored more than once, the place whose block, with all that it needs, holds least else than the tree's.
    mutating func densest(_ places: [Digest: [BlobPlace]], of manifest: TreeManifest) throws -> [Digest: BlobPlace] {
        var living: [BlockKey: Int] = [:]
        var taken: Set<Digest> = []
        for case .file(let length, let digest, _) in manifest.entries.map(\.kind) where taken.insert(digest).inserted {
            for place in places[digest] ?? [] { living[place.block, default: 0] += length }
        }
        var densest: [Digest: BlobPlace] = [:]
        for (digest, places) in places {
            var best: (share: Double, place: BlobPlace)?
            for place in places {
                let needed = places.count == 1 ? 1 : try bytes(of: try closure(of: place.block))
                let share = Double(living[place.block] ?? 0) / Double(max(needed, 1))
                // The newest of several comes first.
                if share > best?.share ?? -1 { best = (share, place) }
            }
            densest[digest] = best?.place
        }
        return densest
    }

    /// What a ``TreeReading`` decompresses.
    ///
    /// - Parameter keys: of each file of a tree in turn, the block that holds it.
    /// - Returns: raw bytes by the block that they are of, each time that it is decompressed.
    func forecast(_ keys: some Sequence<BlockKey>) throws -> [BlockKey: Int] {
        var window = BlockWindow<Void>(limit: TreeReading.windowBytes)
        var bytes: [BlockKey: Int] = [:]
        for key in keys { try read(key, &window, &bytes) }
        return bytes
    }

    private func read(_ key: BlockKey, _ window: inout BlockWindow<Void>, _ bytes: inout [BlockKey: Int]) throws {
        guard window.value(key) == nil, let node = try node(key) else { return }
        for base in node.bases { try read(base, &window, &bytes) }
        bytes[key, default: 0] += node.rawLength
        window.keep((), bytes: node.rawLength, for: key)
    }
}
