internal import HeaderArchive
internal import KernelHeaders

/// What an upload's pack gets: which contents in which blocks, and what each block is compressed with.
///
/// A block's prefix is what the tree's parents have at the same paths. In a revision's pack (``PackIndex/tightBytes``,
/// ``maximumAlone``) each new file that has one is a block of its own: later revisions keep some of these files and change
/// others, and read no more than they have. All else lies side by side in the order of the paths. Reading stays bounded,
/// whatever the store holds:
///
/// - To read one file, at most ``fileBytes`` are decompressed (or the file itself, if it is larger), beside manifests. A
///   block leans only on blocks that, with all that these lean on, leave it below that, and leave as much room as it has
///   itself to a block that will lean on it.
/// - To read a whole tree, at most ``treeFactor`` times its bytes are decompressed, its manifest and that one's parents
///   included, or ``fileBytes`` beside these of a smaller one. Where leaning on the newest contents of a path would be too
///   much, a block leans on older ones. A tree whose files lie too far apart, because they came with many that have
///   little else in common with it, has those of the emptiest blocks stored once more, side by side. Its predecessors
///   go on reading theirs where they are: what reading a tree costs is settled when it is uploaded. A store never has
///   more copies than contents (``Catalogue/copiesLeft(_:)``): one that has used them up lets trees cost more. So may one
///   that lost something: what came back lies as the upload needs it that brought it, for all other trees, too.
struct BlockPlan {
    /// Raw bytes.
    static let fileBytes = 4 << 20
    static let treeFactor = 3
    /// The most files of a pack that are blocks of their own.
    static let maximumAlone = 2048
    /// The most files of a block.
    private static let maximumItems = 4096
    /// How often the emptiest blocks are looked for before all is stored anew.
    private static let attempts = 4

    /// Contents that are to be stored.
    struct Item {
        let path: HeaderPath
        let digest: Digest
        let length: Int
        /// Of what was lost, the number that it had.
        var number: Int?
        /// Its rank among the numbers that it had, after 0, the one by which the tree has it. A copy is for other trees: it lies
        /// only with those of the same rank, so that no block has the contents of a file twice.
        var copy = 0
    }

    struct Block {
        var items: [Item] = []
        var rawLength = 0
        /// The blobs that it is compressed with, by their numbers.
        var prefix: [Int] = []
        var depth = 0
        fileprivate var bases: [BlockKey] = []
        /// All blocks that reading it needs, without itself, as long as more files may come into it.
        fileprivate var closure = BlockGraph.Closure(blocks: [], bytes: 0)

        /// There may be as many blocks as files, and each may need a thousand others.
        fileprivate mutating func close() { closure.blocks = [] }
    }

    private let content: ContentReader
    private var parents: [StoredTree]
    private let places: [Digest: BlobPlace]
    /// In the order of the manifest.
    private let files: [Item]
    /// What reading the tree may decompress, without its manifests.
    private let limit: Int
    /// Blocks that are read only because others lean on them are taken in up to here: beyond that, what is new leans only on
    /// what has to be read anyway. The next revision brings some new bytes.
    private var room: Int
    private var graph: BlockGraph
    private(set) var blocks: [Block] = []
    /// What the store has, and gets once more.
    private(set) var again: Set<Digest> = []

    /// - Parameters:
    ///   - new: what the store lacks.
    ///   - places: where it has the rest of the tree.
    ///   - parents: trees to compress with; the first that serves is taken for each path.
    ///   - manifestBytes: raw bytes of the manifests that a reading of the tree begins with.
    init(
        of manifest: TreeManifest, new: [Item], places: [Digest: BlobPlace], parents: [StoredTree],
        manifestBytes: Int, graph: BlockGraph, content: ContentReader
    ) throws {
        self.content = content
        self.parents = parents
        self.places = places
        files = manifest.entries.compactMap { entry -> Item? in
            guard case .file(let length, let digest, _) = entry.kind else { return nil }
            return Item(path: entry.path, digest: digest, length: length)
        }
        self.graph = graph
        limit = max(Self.treeFactor * files.reduce(0) { $0 + $1.length } - manifestBytes, Self.fileBytes)
        room = limit / 12 * 11
        blocks = try arrange(new)
    }

    /// Stores more of the tree anew if reading it would cost too much.
    ///
    /// - Parameter copies: how many blobs may be stored once more. If that is too few, nothing is.
    mutating func bound(copies: Int) throws {
        let target = limit / 4 * 3
        let new = blocks.flatMap(\.items)
        let unbound = blocks
        for attempt in 0...Self.attempts + 1 {
            let cost = try forecast()
            let total = cost.values.reduce(0, +)
            guard total > (attempt == 0 ? limit : target) else { return }
            room = target
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
        choice.read = try graph.closure(ofAll: living.values.map(\.block))
        let bytes = items.reduce(0) { $0 + $1.length }
        choice.bytes = max(0, room - bytes - (try graph.bytes(of: choice.read)))
        let isRevision = bytes <= PackIndex.tightBytes && items.count <= Self.maximumAlone
        var open: Int?
        let all = items.sorted { ($0.copy, $0.path) < ($1.copy, $1.path) }
        for item in all {
            let base = try base(of: item, &choice)
            if isRevision, base != nil, !again.contains(item.digest) {
                blocks.append(Block())
                try add(item, base, to: &blocks[blocks.count - 1])
                blocks[blocks.count - 1].close()
                continue
            }
            if let last = open, try !hasRoom(blocks[last], for: item, base) {
                blocks[last].close()
                open = nil
            }
            if open == nil {
                open = blocks.count
                blocks.append(Block())
            }
            try add(item, base, to: &blocks[open ?? 0])
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
        let place: BlobPlace
        let depth: Int
        /// What has to be read only for it.
        let more: Set<BlockKey>
        let bytes: Int
    }

    /// What a parent has at the path, or what that leans on, if reading the two is not too much.
    private mutating func base(of item: Item, _ choice: inout BaseChoice) throws -> Base? {
        for parent in parents {
            guard let index = parent.manifest.index(of: item.path),
                case .file(_, let digest, _) = parent.manifest.entries[index].kind, digest != item.digest
            else { continue }
            var best: Base?
            for place in try content.places(of: digest) {
                guard let base = try base(from: place, for: item, choice), base.bytes < best?.bytes ?? .max else {
                    continue
                }
                best = base
            }
            guard let best else { continue }
            choice.read.formUnion(best.more)
            choice.bytes -= best.bytes
            return best
        }
        return nil
    }

    /// The blob itself, or an older one (``ChainFold``).
    private mutating func base(from tip: BlobPlace, for item: Item, _ choice: BaseChoice) throws -> Base? {
        try ChainFold.base(from: tip, maximumDepth: PackIndex.maximumDepth) { place in
            try graph.node(place.block).map { node in
                // With others in its block, that may be what they lean on.
                let base = place.length == node.rawLength ? node.onlyBase : nil
                return ChainFold.Link(depth: node.depth, compressedLength: node.compressedLength, base: base)
            }
        } base: { place in
            let closure = try graph.closure(of: place.block)
            let more = closure.blocks.subtracting(choice.read)
            let bytes = try graph.bytes(of: more)
            guard bytes <= choice.bytes, closure.blocks.count <= BlockGraph.maximumClosure,
                2 * item.length + closure.bytes <= Self.fileBytes, let node = try graph.node(place.block)
            else { return nil }
            return Base(place: place, depth: node.depth, more: more, bytes: bytes)
        }
    }

    /// Whether the block may have one more file. A file that is larger than a block stands alone.
    private mutating func hasRoom(_ block: Block, for item: Item, _ base: Base?) throws -> Bool {
        let rawLength = block.rawLength + item.length
        guard block.items.count < Self.maximumItems, rawLength <= PackIndex.blockSize,
            block.items.last?.copy == item.copy
        else { return false }
        let more = try base.map { try graph.closure(of: $0.place.block).blocks.subtracting(block.closure.blocks) } ?? []
        return try block.closure.blocks.count + more.count <= BlockGraph.maximumClosure
            && 2 * rawLength + block.closure.bytes + graph.bytes(of: more) <= Self.fileBytes
    }

    private mutating func add(_ item: Item, _ base: Base?, to block: inout Block) throws {
        block.items.append(item)
        block.rawLength += item.length
        guard let base, !block.prefix.contains(base.place.number) else { return }
        block.prefix.append(base.place.number)
        block.depth = max(block.depth, base.depth + 1)
        if block.bases.last != base.place.block { block.bases.append(base.place.block) }
        let more = try graph.closure(of: base.place.block).blocks.subtracting(block.closure.blocks)
        block.closure.blocks.formUnion(more)
        block.closure.bytes += try graph.bytes(of: more)
    }

    // MARK: What reading costs

    /// - Returns: as ``BlockGraph/forecast(_:)``.
    private mutating func forecast() throws -> [BlockKey: Int] {
        graph.plan(blocks.map { .init(rawLength: $0.rawLength, depth: $0.depth, bases: $0.bases) })
        var planned: [Digest: BlockKey] = [:]
        for (position, block) in blocks.enumerated() {
            // The first of several counts: the manifest names that.
            for item in block.items where planned[item.digest] == nil {
                planned[item.digest] = BlockGraph.planned(position)
            }
        }
        return try graph.forecast(files.compactMap { planned[$0.digest] ?? places[$0.digest]?.block })
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
    /// Of the contents, in bytes.
    var length: Int
}
