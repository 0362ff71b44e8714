internal import KernelHeaders

/// How blocks lean on one another, and so what reading them decompresses: those in the store, and those that an upload is
/// about to add.
///
/// Memory: ``knownBlocks`` keys of what single blocks need, of 16 bytes each, however many blocks are asked for.
struct BlockGraph {
    /// A block, as far as reading others goes.
    struct Node: Sendable {
        var rawLength: Int
        /// 0 of one that is not in the store yet.
        var compressedLength = 0
        var depth: Int
        /// The blobs that it is compressed with; none of one that is not in the store yet.
        var prefix: [BlobLocation] = []
        /// The blocks that hold its prefix, in its order; one that is needed several times in a row is there once.
        var bases: [BlockKey]

        /// The only blob that it is compressed with; nil if there are several or none.
        var onlyBase: BlobPlace? {
            guard prefix.count == 1, let base = prefix.first else { return nil }
            return BlobPlace(number: base.number, block: base.key, length: base.length)
        }
    }

    private let content: ContentReader
    /// Those that are not in the store yet.
    private var planned: [BlockKey: Node] = [:]
    /// Weighed by their blocks.
    private var closures: RecentlyUsed<BlockKey, Closure>

    /// A block, and all without which it can't be read.
    struct Closure {
        var blocks: Set<BlockKey>
        /// Raw.
        var bytes: Int
    }

    /// The most blocks that one more may lean on, itself included: a tree of tiny files would else have as many blocks as
    /// files, and each would be looked at for each. A block of a real tree leans on some hundred.
    static let maximumClosure = 1024
    /// The most blocks among which the best are looked for, if contents are stored more than once.
    static let maximumChoice = 1024

    static let knownBlocks = 262_144

    init(content: ContentReader, knownBlocks: Int = BlockGraph.knownBlocks) {
        self.content = content
        closures = RecentlyUsed(limit: knownBlocks)
    }

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

    /// Of blocks in the store.
    mutating func closure(of key: BlockKey) throws -> Closure {
        if let known = closures.value(key) { return known }
        var blocks: Set = [key]
        for base in try node(key)?.bases ?? [] { blocks.formUnion(try closure(of: base).blocks) }
        let closure = Closure(blocks: blocks, bytes: try bytes(of: blocks))
        closures.keep(closure, weight: blocks.count, for: key)
        closures.trim()
        return closure
    }

    /// These blocks, and all without which one of them can't be read.
    func closure(ofAll keys: some Sequence<BlockKey>) throws -> Set<BlockKey> {
        var blocks = Set(keys)
        var open = Array(blocks)
        while let key = open.popLast() {
            for base in try node(key)?.bases ?? [] where blocks.insert(base).inserted { open.append(base) }
        }
        return blocks
    }

    private mutating func isReadable(_ key: BlockKey) throws -> Bool {
        try closure(of: key).blocks.allSatisfy { try node($0) != nil }
    }

    /// Raw bytes of these blocks.
    func bytes(of blocks: Set<BlockKey>) throws -> Int { try blocks.reduce(0) { $0 + (try node($1)?.rawLength ?? 0) } }

    /// Of what is stored more than once, the places by which a tree reads least: of all blocks with such contents, the one
    /// with most of them for what it adds is taken first, and so on (greedy set cover). Of too many, the newest places.
    mutating func fewest(
        _ places: [Digest: [BlobPlace]], of manifest: TreeManifest, among maximum: Int = BlockGraph.maximumChoice
    ) throws -> [Digest: BlobPlace] {
        let places = try places.mapValues { places in
            guard places.count > 1 else { return places }
            let readable = try places.filter { try isReadable($0.block) }
            return readable.isEmpty ? [places[0]] : readable
        }
        var chosen = places.compactMapValues { $0.count == 1 ? $0[0] : nil }
        var read = try closure(ofAll: chosen.values.map(\.block))
        var lengths: [Digest: Int] = [:]
        for case .file(let length, let digest, _) in manifest.entries.map(\.kind) { lengths[digest] = length + 1 }
        var open: [BlockKey: (bytes: Int, digests: [Digest])] = [:]
        for (digest, places) in places where places.count > 1 {
            for place in places {
                open[place.block, default: (0, [])].bytes += lengths[digest] ?? 0
                open[place.block]?.digests.append(digest)
            }
        }
        guard open.count <= maximum else { return places.compactMapValues(\.first) }
        while !open.isEmpty {
            var best: (gain: Double, block: BlockKey)?
            for (block, holds) in open {
                let more = try bytes(of: closure(of: block).blocks.subtracting(read))
                let gain = Double(holds.bytes) / Double(more + 1)
                if let best, (gain, block.pack, block.block) < (best.gain, best.block.pack, best.block.block) {
                    continue
                }
                best = (gain, block)
            }
            guard let block = best?.block, let holds = open.removeValue(forKey: block) else { break }
            read.formUnion(try closure(of: block).blocks)
            for digest in holds.digests where chosen[digest] == nil {
                for place in places[digest] ?? [] {
                    if place.block == block { chosen[digest] = place }
                    open[place.block]?.bytes -= lengths[digest] ?? 0
                }
            }
            open = open.filter { $0.value.bytes > 0 }
        }
        return chosen
    }

    /// What a ``TreeReading`` decompresses.
    ///
    /// - Parameter keys: of each file of a tree in turn, the block that holds it.
    /// - Returns: raw bytes by the block that they are of, each time that it is decompressed.
    func forecast(_ keys: some Sequence<BlockKey>) throws -> [BlockKey: Int] {
        var window = BlockWindow<Void>(limit: TreeReading.windowBytes, entryBytes: TreeReading.entryBytes)
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
