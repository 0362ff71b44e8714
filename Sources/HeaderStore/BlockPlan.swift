internal import HeaderArchive
internal import KernelHeaders

/// What an upload's pack gets: which contents in which blocks, and what each block is compressed with.
///
/// Contents are in the order of their paths. A block's prefix is what the tree's parents have at the same paths, as long as
/// reading stays bounded, whatever the store holds:
///
/// - To read one file, at most ``fileBytes`` are decompressed (or the file itself, if it is larger). A block leans only on
///   blocks that, with all that these lean on, leave it below that, and leave as much room as it has itself to a block
///   that will lean on it.
/// - To read a whole tree, at most ``treeFactor`` times its bytes are decompressed, its manifest and that one's parents
///   included. A tree whose files lie too far apart, because each revision of hundreds changed a few others, has those of
///   the emptiest blocks stored once more, side by side, until a quarter of what it may is left to the next revisions. Its
///   predecessors go on reading theirs where they are: what reading a tree costs is settled when it is uploaded. A store
///   never has more copies than contents (``Catalogue/copiesLeft(_:)``): one that has used them up lets trees cost more.
struct BlockPlan {
    /// Raw bytes.
    static let fileBytes = 4 << 20
    static let treeFactor = 3
    /// Blocks that are read only because others lean on them are taken in until a tree takes so many times its bytes: beyond
    /// that, what is new leans only on what has to be read anyway.
    private static let detourFactor = 2
    /// How often the emptiest blocks are looked for before all is stored anew.
    private static let attempts = 4

    /// Contents that are to be stored.
    struct Item {
        let path: HeaderPath
        let digest: Digest
        let length: Int
    }

    struct Block {
        var items: [Item] = []
        var rawLength = 0
        /// The blobs that it is compressed with, by their numbers.
        var prefix: [Int] = []
        var depth = 0
        fileprivate var bases: [BlockKey] = []
        /// All blocks that reading it needs, and their raw bytes, without itself.
        fileprivate var closure: Set<BlockKey> = []
        fileprivate var closureBytes = 0
    }

    private let content: ContentReader
    private var parents: [StoredTree]
    private let places: [Digest: BlobPlace]
    /// In the order of the manifest.
    private let files: [Item]
    private var graph: BlockGraph
    private(set) var blocks: [Block] = []
    /// What the store has, and gets once more.
    private(set) var again: Set<Digest> = []

    /// - Parameters:
    ///   - new: what the store lacks.
    ///   - places: where it has the rest of the tree.
    ///   - parents: trees to compress with; the first that serves is taken for each path.
    init(
        of manifest: TreeManifest, new: [Item], places: [Digest: BlobPlace], parents: [StoredTree],
        graph: BlockGraph, content: ContentReader
    ) throws {
        self.content = content
        self.parents = parents
        self.places = places
        files = manifest.entries.compactMap { entry -> Item? in
            guard case .file(let length, let digest, _) = entry.kind else { return nil }
            return Item(path: entry.path, digest: digest, length: length)
        }
        self.graph = graph
        blocks = try arrange(new)
    }

    private var treeBytes: Int { files.reduce(0) { $0 + $1.length } }

    /// Stores more of the tree anew if reading it would cost too much.
    ///
    /// - Parameters:
    ///   - manifestBytes: raw bytes of the manifests that have to be read first.
    ///   - copies: how many blobs may be stored once more. If that is too few, nothing is.
    mutating func bound(manifestBytes: Int, copies: Int) throws {
        let limit = max(Self.treeFactor * treeBytes - manifestBytes, Self.fileBytes)
        let target = limit / 4 * 3
        let new = blocks.flatMap(\.items)
        let unbound = blocks
        for attempt in 0...Self.attempts + 1 {
            let cost = try forecast()
            let total = cost.values.reduce(0, +)
            guard total > (attempt == 0 ? limit : target) else { return }
            if attempt < Self.attempts {
                again.formUnion(emptiest(cost, saving: total - target))
            } else {
                again.formUnion(places.keys)
                if attempt > Self.attempts { parents = [] }
            }
            guard again.count <= copies else {
                (blocks, again) = (unbound, [])
                return
            }
            var taken: Set<Digest> = []
            blocks = try arrange(
                new + files.filter { again.contains($0.digest) && taken.insert($0.digest).inserted })
        }
    }

    // MARK: Blocks

    private mutating func arrange(_ items: [Item]) throws -> [Block] {
        var blocks: [Block] = []
        var choice = BaseChoice(bytes: 0)
        let living = places.filter { [again] place in !again.contains(place.key) }
        for block in Set(living.values.map(\.block)) {
            choice.read.formUnion(try graph.closure(of: block))
        }
        let read = try graph.bytes(of: choice.read) + items.reduce(0) { $0 + $1.length }
        choice.bytes = max(0, Self.detourFactor * max(treeBytes, Self.fileBytes / 2) - read)
        for item in items.sorted(by: { $0.path < $1.path }) {
            let base = try base(of: item, &choice)
            if let last = blocks.last, let grown = try grow(last, by: item, base) {
                blocks[blocks.count - 1] = grown
            } else if let first = try grow(Block(), by: item, base) {
                blocks.append(first)
            }
        }
        return blocks
    }

    /// What the tree's blocks may lean on.
    private struct BaseChoice {
        /// Blocks that have to be read anyway.
        var read: Set<BlockKey> = []
        /// Of those that have not, so many more.
        var bytes: Int
    }

    /// An older blob to compress with.
    private struct Base {
        let number: Int
        let block: BlockKey
        let depth: Int
    }

    /// What a parent has at the path, if reading the two is not too much.
    private mutating func base(of item: Item, _ choice: inout BaseChoice) throws -> Base? {
        for parent in parents {
            guard let index = parent.manifest.index(of: item.path),
                case .file(_, let digest, _) = parent.manifest.entries[index].kind, digest != item.digest
            else { continue }
            var best: (base: Base, more: Set<BlockKey>, bytes: Int)?
            for place in try content.places(of: digest) {
                guard let node = try graph.node(place.block), node.depth < PackIndex.maximumDepth else { continue }
                let closure = try graph.closure(of: place.block)
                guard try 2 * item.length + graph.bytes(of: closure) <= Self.fileBytes else { continue }
                let more = closure.subtracting(choice.read)
                let bytes = try graph.bytes(of: more)
                guard bytes < best?.bytes ?? choice.bytes + 1 else { continue }
                best = (Base(number: place.number, block: place.block, depth: node.depth), more, bytes)
            }
            guard let best else { continue }
            choice.read.formUnion(best.more)
            choice.bytes -= best.bytes
            return best.base
        }
        return nil
    }

    /// - Returns: nil if it would become too large.
    private mutating func grow(_ block: Block, by item: Item, _ base: Base?) throws -> Block? {
        var block = block
        block.items.append(item)
        block.rawLength += item.length
        if let base, !block.prefix.contains(base.number) {
            block.prefix.append(base.number)
            block.depth = max(block.depth, base.depth + 1)
            if block.bases.last != base.block { block.bases.append(base.block) }
            let more = try graph.closure(of: base.block).subtracting(block.closure)
            block.closure.formUnion(more)
            block.closureBytes += try graph.bytes(of: more)
        }
        // A file that is larger stands alone.
        guard block.items.count > 1 else { return block }
        let fits =
            block.rawLength <= PackIndex.blockSize && 2 * block.rawLength + block.closureBytes <= Self.fileBytes
        return fits ? block : nil
    }

    // MARK: What reading costs

    /// - Returns: as ``BlockGraph/forecast(_:)``.
    private mutating func forecast() throws -> [BlockKey: Int] {
        graph.plan(blocks.map { .init(rawLength: $0.rawLength, depth: $0.depth, bases: $0.bases) })
        var keys = places.mapValues(\.block)
        for (position, block) in blocks.enumerated() {
            for item in block.items { keys[item.digest] = BlockGraph.planned(position) }
        }
        return try graph.forecast(files.compactMap { keys[$0.digest] })
    }

    /// - Returns: what the tree has in blocks that hold little else of it, until so many bytes need not be read.
    private func emptiest(_ cost: [BlockKey: Int], saving: Int) -> Set<Digest> {
        var living: [BlockKey: (bytes: Int, digests: Set<Digest>)] = [:]
        for file in files {
            guard !again.contains(file.digest), let place = places[file.digest],
                living[place.block, default: (0, [])].digests.insert(file.digest).inserted
            else { continue }
            living[place.block]?.bytes += file.length
        }
        let ranked = living.map { key, living in
            (
                key: key, waste: (cost[key] ?? 0) - living.bytes, digests: living.digests,
                share: Double(living.bytes) / Double(max(cost[key] ?? 0, 1))
            )
        }.sorted { ($0.share, $0.key.pack, $0.key.block) < ($1.share, $1.key.pack, $1.key.block) }
        var chosen: Set<Digest> = []
        var saved = 0
        for block in ranked {
            guard saved < saving else { break }
            chosen.formUnion(block.digests)
            saved += block.waste
        }
        return chosen
    }
}

/// Where the store has contents.
struct BlobPlace: Sendable {
    var number: Int
    var block: BlockKey
}
