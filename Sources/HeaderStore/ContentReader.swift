internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// A tree as the store knows it: its manifest, and the number of each file's blob.
struct StoredTree: Sendable {
    var row: TreeRow
    /// The raw form, which is the prefix of its children's manifests.
    var raw: [UInt8]
    var manifest: TreeManifest
    /// Of each entry of the manifest; nil for links.
    var numbers: [Int?]

    /// About what it takes in memory.
    var bytes: Int { manifest.entries.reduce(raw.count) { $0 + $1.textBytes + 256 } }
}

extension TreeManifest.Entry {
    /// Of the path, and of a link's target.
    var textBytes: Int {
        guard case .link(let target) = kind else { return path.string.utf8.count }
        return path.string.utf8.count + target.utf8.count
    }
}

/// A block, by the numbers of its pack and of itself in it.
struct BlockKey: Hashable, Sendable {
    let pack: Int
    let block: Int
}

/// Reads blobs and manifests out of the packs, checking each against its digest.
///
/// While somebody reads, packs may be written anew: what then is not where it was is looked up again.
///
/// Memory: ``cacheBytes`` of raw blocks, ``fileBytes`` of files, 128 open packs, packs' tables with 131,072 blocks and blobs
/// that these lean on, as many of how blocks lean on one another (130 bytes each), ``keptBytes`` of the manifests of up to 8
/// trees, and as many of documents, which are files in memory (or a single one that has more), and what the caller holds.
final class ContentReader: Sendable {
    static let cacheBytes = 64 << 20
    /// Of single files that were asked for lately.
    private static let fileBytes = 8 << 20
    private static let openPacks = 128
    static let knownEntries = 131_072
    private static let keptTrees = 8
    static let keptBytes = 64 << 20

    typealias Document = (bytes: [UInt8], digest: Digest)

    /// Contents as they were found before something was moved or lost are not looked at any more.
    private struct FileKey: Hashable {
        let moves: Int
        let digest: Digest
    }

    private struct State {
        var packs = RecentlyUsed<Int, PackReader>(limit: ContentReader.openPacks)
        /// The digest and the blocks of a pack; a pack's number is never that of another. Weighed by blocks and prefixes.
        var tables: RecentlyUsed<Int, (pack: Digest, blocks: [PackIndex.Block])>
        /// Weighed by what they lean on, them included.
        var nodes: RecentlyUsed<BlockKey, BlockGraph.Node>
        var trees: RecentlyUsed<Digest, StoredTree>
        /// Manifests as they are sent, by their trees.
        var documents: RecentlyUsed<Digest, DerivedFile>
        /// How often something was moved.
        var moves = 0

        init(knownEntries: Int, keptBytes: Int) {
            trees = RecentlyUsed(limit: keptBytes)
            documents = RecentlyUsed(limit: keptBytes)
            tables = RecentlyUsed(limit: knownEntries)
            nodes = RecentlyUsed(limit: knownEntries)
        }
    }

    private let catalogue: Catalogue
    private let layout: StoreLayout
    private let cache: ByteCache<BlockKey>
    private let files = ByteCache<FileKey>(limit: ContentReader.fileBytes, entryBytes: TreeReading.entryBytes)
    private let state: Mutex<State>
    private let knownEntries: Int
    private let keptBytes: Int

    init(
        catalogue: Catalogue, layout: StoreLayout, cacheBytes: Int = ContentReader.cacheBytes,
        knownEntries: Int = ContentReader.knownEntries, keptBytes: Int = ContentReader.keptBytes
    ) {
        self.knownEntries = knownEntries
        self.keptBytes = keptBytes
        state = Mutex(State(knownEntries: knownEntries, keptBytes: keptBytes))
        cache = ByteCache(limit: cacheBytes, entryBytes: TreeReading.entryBytes)
        self.catalogue = catalogue
        self.layout = layout
    }

    /// - Throws: `Problem` with `tree-unknown` or `store-damaged`.
    func tree(_ digest: Digest) throws -> StoredTree {
        let (known, moves) = state.withLock { ($0.trees.value(digest), $0.moves) }
        if let known { return known }
        do {
            let tree = try readTree(digest)
            keep(tree, weight: weight(tree.bytes), for: digest, in: \.trees, ifStill: moves)
            return tree
        } catch let problem as Problem where problem.code == .storeDamaged {
            guard state.withLock({ $0.moves }) != moves else { throw problem }
            return try self.tree(digest)
        }
    }

    /// Keeps what was found after so many moves, unless there was another one meanwhile.
    private func keep<Key: Sendable, Value: Sendable>(
        _ value: Value, weight: Int = 1, for key: Key,
        in table: any WritableKeyPath<State, RecentlyUsed<Key, Value>> & Sendable, ifStill moves: Int
    ) {
        // What was there is freed after the lock, for which event loops wait.
        _ = state.withLock { state in
            state.moves == moves ? state[keyPath: table].keep(value, weight: weight, for: key) : nil
        }
        state.trim(table)
    }

    /// Of a manifest, so that there are no more than so many either.
    private func weight(_ bytes: Int) -> Int { max(bytes, keptBytes / Self.keptTrees) }

    /// Says that packs were written anew, or trees removed.
    func contentsMoved() {
        // Open packs, too: one that has no name any more keeps its room on the disk. It takes a while to free all that, and
        // event loops wait for the lock.
        _ = state.withLock { state in
            let old = state
            state = State(knownEntries: knownEntries, keptBytes: keptBytes)
            state.moves = old.moves + 1
            return old
        }
    }

    // MARK: What is kept for requests

    /// A tree's manifest as it is sent, if it was asked for lately.
    func keptDocument(of tree: Digest) -> DerivedFile? {
        state.withLock { $0.documents.value(tree) }
    }

    /// - Throws: as ``tree(_:)``; what `encode` throws; `SystemCallError`.
    func document(of tree: Digest, encode: (TreeManifest) throws -> [UInt8]) throws -> DerivedFile {
        // Others may have waited for the same.
        if let document = keptDocument(of: tree) { return document }
        let moves = state.withLock { $0.moves }
        let document = try DerivedFile(inMemory: try encode(try self.tree(tree).manifest))
        keep(document, weight: weight(document.length), for: tree, in: \.documents, ifStill: moves)
        return document
    }

    /// A file of a tree, if both were asked for lately; nil to look for it with ``file(at:in:)``.
    ///
    /// - Throws: `Problem` with `file-unknown` if the tree was asked for lately, and has none at the path.
    func keptFile(at path: HeaderPath, in tree: Digest) throws -> Document? {
        let (known, moves) = state.withLock { ($0.trees.value(tree), $0.moves) }
        guard let manifest = known?.manifest else { return nil }
        guard let index = manifest.indexOfFile(at: path), case .file(_, let digest, _) = manifest.entries[index].kind
        else { throw Self.unknown(path, in: tree) }
        return files.kept(FileKey(moves: moves, digest: digest)).map { ($0, digest) }
    }

    static func unknown(_ path: HeaderPath, in tree: Digest) -> Problem {
        Problem(.fileUnknown, "The tree \(tree) has no file \(path). Its manifest.json lists what it has.")
    }

    /// A file of a tree; nil if there is none at the path.
    ///
    /// - Throws: as ``tree(_:)`` and ``contents(_:)``.
    func file(at path: HeaderPath, in tree: Digest) throws -> Document? {
        let moves = state.withLock { $0.moves }
        let tree = try self.tree(tree)
        guard let index = tree.manifest.indexOfFile(at: path), let number = tree.numbers[index] else { return nil }
        let location = try locations(of: [number])[0]
        let bytes = try files.bytes(FileKey(moves: moves, digest: location.digest)) { try contents(location) }
        return (bytes, location.digest)
    }

    // MARK: Trees

    private func readTree(_ digest: Digest) throws -> StoredTree {
        let (row, stored, raw, locations) = try catalogue.pool.unsafeReentrantRead { database in
            guard let row = try catalogue.tree(digest, database) else {
                throw Problem(.treeUnknown, "This server has no tree \(digest). Look the kernel up by its build ID.")
            }
            let raw = try rawManifest(row, database)
            let stored = try StoredManifest(encoded: raw)
            return (row, stored, raw, try catalogue.locations(of: stored.numbers, database))
        }
        return try Self.resolve(row, stored, raw, locations)
    }

    private static func resolve(
        _ row: TreeRow, _ stored: StoredManifest, _ raw: [UInt8], _ locations: [BlobLocation]
    ) throws -> StoredTree {
        var rest = locations[...]
        var numbers: [Int?] = []
        let entries = stored.entries.map { entry in
            switch entry.kind {
            case .link(let target):
                numbers.append(nil)
                return TreeManifest.Entry(path: entry.path, kind: .link(target: target))
            case .file(let number, let executable):
                numbers.append(number)
                let location = rest.removeFirst()
                return TreeManifest.Entry(
                    path: entry.path,
                    kind: .file(size: location.length, digest: location.digest, executable: executable))
            }
        }
        let manifest = TreeManifest(entries: entries)
        guard manifest.digest == row.digest else {
            throw Problem(
                .storeDamaged, "The manifest of tree \(row.digest) is damaged. Run a verify, and restore its pack.")
        }
        return StoredTree(row: row, raw: raw, manifest: manifest, numbers: numbers)
    }

    static let remedy = "The next upload of a kernel with it brings it back."

    /// The raw form of a tree's manifest, and so of its parents' first.
    private func rawManifest(_ row: TreeRow, _ database: Database) throws -> [UInt8] {
        var prefix: [UInt8] = []
        if let parent = row.parent {
            guard let parent = try catalogue.tree(id: parent, database) else { throw PackedReader.damaged }
            prefix = try rawManifest(parent, database)
        }
        return try rawManifest(row, prefix: prefix)
    }

    /// The raw form of a tree's manifest, given that of its parent.
    ///
    /// - Throws: `Problem` with `store-damaged`.
    func rawManifest(_ row: TreeRow, prefix: [UInt8]) throws -> [UInt8] {
        guard row.damage != .manifest else {
            throw Problem(.storeDamaged, "The manifest of tree \(row.digest) is lost. \(Self.remedy)")
        }
        let frame = try PackReader(row.pack, layout: layout).read(at: row.offset, count: row.compressedLength)
        return try ZstdFrame.decompress(frame, rawLength: row.rawLength, prefix: prefix)
    }

    /// A blob's contents.
    ///
    /// - Parameter reading: holds the blocks; nil for those that all share.
    /// - Throws: `Problem` with `store-damaged` if they do not have the digest.
    func contents(_ location: BlobLocation, in reading: TreeReading? = nil) throws -> [UInt8] {
        let moves = state.withLock { $0.moves }
        do {
            return try read(location, reading)
        } catch let problem as Problem where problem.code == .storeDamaged {
            // By its number: another copy of the same contents must not hide that this one is damaged, nor may it lean on it.
            let now = try? locations(of: [location.number])[0]
            // What it is compressed with may have moved, too.
            guard let now, now != location || state.withLock({ $0.moves }) != moves else { throw problem }
            return try contents(now, in: reading)
        }
    }

    private func read(_ location: BlobLocation, _ reading: TreeReading?) throws -> [UInt8] {
        guard !location.isLost else {
            throw Problem(
                .storeDamaged, "The contents \(location.digest) are lost, as a verify found. \(Self.remedy)")
        }
        let block = try self.block(location.key, reading)
        guard location.offset <= block.count, location.length <= block.count - location.offset else {
            throw PackedReader.damaged
        }
        let bytes = Array(block[location.offset..<location.offset + location.length])
        guard SHA256Hash.digest(of: bytes) == location.digest else {
            throw Problem(.storeDamaged, "The contents \(location.digest) are damaged in the store. Run a verify.")
        }
        return bytes
    }

    /// Where the contents of a digest are: in all places, the newest first.
    func places(of digest: Digest) throws -> [BlobPlace] {
        try catalogue.pool.unsafeReentrantRead { database in
            try catalogue.places(of: digest, database).filter { !$0.isLost }.map(\.place)
        }
    }

    func locations(of numbers: [Int]) throws -> [BlobLocation] {
        try catalogue.pool.unsafeReentrantRead { try catalogue.locations(of: numbers, $0) }
    }

    /// Finds out what these blobs lean on, by one connection to the catalogue: one for each takes longer than a small block.
    func findBases(of locations: [BlobLocation]) throws {
        // What is damaged is told when it is read.
        try catalogue.pool.unsafeReentrantRead { _ in
            _ = try BlockGraph(content: self).closure(ofAll: locations.map(\.key))
        }
    }

    /// A block, and the blocks that it leans on.
    ///
    /// - Throws: `Problem` with `store-damaged`.
    func node(_ key: BlockKey) throws -> BlockGraph.Node {
        let (known, moves) = state.withLock { ($0.nodes.value(key), $0.moves) }
        if let known { return known }
        let block = try blockEntry(key)
        var node = BlockGraph.Node(
            rawLength: block.rawLength, compressedLength: block.compressedLength, depth: block.depth,
            prefix: try locations(of: block.prefix), bases: [])
        for location in node.prefix {
            // Depth falls with each step, so that a damaged index can't send a reading round in a circle.
            guard try blockEntry(location.key).depth < block.depth else { throw PackedReader.damaged }
            if node.bases.last != location.key { node.bases.append(location.key) }
        }
        keep(node, weight: 1 + node.prefix.count, for: key, in: \.nodes, ifStill: moves)
        return node
    }

    private func block(_ key: BlockKey, _ reading: TreeReading?) throws -> [UInt8] {
        func decompress() throws -> [UInt8] {
            let entry = try blockEntry(key)
            let prefix = try entry.prefix.isEmpty ? [] : node(key).prefix.flatMap { try contents($0, in: reading) }
            let frame = try openPack(key.pack).read(at: entry.offset, count: entry.compressedLength)
            return try ZstdFrame.decompress(frame, rawLength: entry.rawLength, prefix: prefix)
        }
        return try reading?.block(key, decompress: decompress) ?? cache.bytes(key, read: decompress)
    }

    private func blockEntry(_ key: BlockKey) throws -> PackIndex.Block {
        let blocks = try table(ofPack: key.pack)
        guard key.block < blocks.count else { throw PackedReader.damaged }
        return blocks[key.block]
    }

    private func table(ofPack id: Int) throws -> [PackIndex.Block] {
        let (known, moves) = state.withLock { ($0.tables.value(id), $0.moves) }
        if let known { return known.blocks }
        let pack = try openPack(id)
        let blocks = try pack.readIndex().blocks
        let weight = blocks.reduce(blocks.count) { $0 + $1.prefix.count }
        keep((pack.digest, blocks), weight: weight, for: id, in: \.tables, ifStill: moves)
        return blocks
    }

    private func openPack(_ id: Int) throws -> PackReader {
        let (open, known, moves) = state.withLock { ($0.packs.value(id), $0.tables.value(id)?.pack, $0.moves) }
        if let open { return open }
        guard let digest = try known ?? catalogue.pool.unsafeReentrantRead({ try catalogue.packDigest(id, $0) }) else {
            throw PackedReader.damaged
        }
        let reader = try PackReader(digest, layout: layout)
        keep(reader, for: id, in: \.packs, ifStill: moves)
        return reader
    }
}
