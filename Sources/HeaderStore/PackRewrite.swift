internal import GRDB
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// Writes one pack anew without what is dead or lost, in its old place in the order of steps: write, sync, rename, sync the
/// folder, one catalogue transaction, and only then the old file goes. A crash leaves one of the two files over, and the
/// next start removes it.
///
/// Must run where ingests run, one after the other; but the blocks, which are most of the work, may be written before, as a
/// ``Draft``. Blocks that stay whole are copied as they are, or compressed again with the same contents and the same prefix.
/// Who reads the old file goes on reading it; who looked something up in it looks it up again.
struct PackRewrite {
    /// What becomes of the old file.
    enum Farewell { case remove, quarantine }

    /// For names and the ends of frames.
    static let slack = 64 << 10

    let catalogue: Catalogue
    let content: ContentReader
    let files: any FileSystem
    let layout: StoreLayout
    let disk: DiskBudget
    let unsettled: UnsettledPacks

    /// A pack's blocks, written anew and in nobody's way yet.
    final class Draft {
        let old: PackMap.Pack
        fileprivate let reader: PackReader?
        fileprivate let index: PackIndex
        /// The numbers of the blobs that were the pack's own.
        fileprivate let own: Set<Int>
        fileprivate let pack: PackWriter
        private let reservation: DiskBudget.Reservation
        /// Whether its blocks can't be made smaller.
        fileprivate let isTight: Bool

        fileprivate init(
            of old: PackMap.Pack, _ reader: PackReader?, _ index: PackIndex, own: Set<Int>, _ pack: PackWriter,
            _ reservation: DiskBudget.Reservation, isTight: Bool
        ) {
            (self.old, self.reader, self.index, self.own, self.pack) = (old, reader, index, own, pack)
            (self.reservation, self.isTight) = (reservation, isTight)
        }

        /// - Throws: `Problem` with `store-damaged` if the old file is not what it was.
        func requireIntact() throws { try PackRewrite.requireIntact(reader, old.digest) }

        /// Removes what was written.
        func abandon() throws { try pack.abandon() }
    }

    /// What else is done to a block that stays whole: gives its frame, and is given the one it has.
    typealias Refinement = (PackIndex.Block, [PackIndex.Blob], _ frame: [UInt8]) throws -> [UInt8]

    /// - Parameters:
    ///   - isDead: whether nothing refers to the blob of a number.
    ///   - deadTrees: the numbers of trees that no kernel has. Manifests that lean on them get another parent.
    /// - Returns: bytes of the new file, 0 if nothing was left to write; nil if the pack is no longer there.
    /// - Throws: `Problem` with `disk-full`, or `store-damaged` if the pack turns out to be damaged and that was not on record.
    @discardableResult
    func run(
        _ old: PackMap.Pack, isDead: (Int) -> Bool, deadTrees: Set<Int>, farewell: Farewell
    ) throws -> Int? {
        guard let draft = try self.draft(of: old, isDead: isDead, deadTrees: deadTrees, farewell: farewell) else {
            return nil
        }
        return try put(draft, isDead: isDead, deadTrees: deadTrees, farewell: farewell)
    }

    /// Writes a pack's blocks anew, beside it, with room reserved for all of the new pack. Nothing else changes, so that this
    /// may run beside ingests.
    ///
    /// - Parameter refine: what makes blocks as small as can be; nil to copy them.
    /// - Returns: nil if the pack is no longer there.
    /// - Throws: as ``run(_:isDead:deadTrees:farewell:)``; what `refine` throws. Nothing is left then.
    func draft(
        of old: PackMap.Pack, isDead: (Int) -> Bool = { _ in false }, deadTrees: Set<Int> = [],
        farewell: Farewell = .remove, refine: Refinement? = nil
    ) throws -> Draft? {
        let (trees, isThere) = try catalogue.pool.read { database in
            (try catalogue.trees(ofPack: old.id, database), try catalogue.pack(old.digest, database)?.id == old.id)
        }
        guard isThere else { return nil }
        let reader = try PackReader.unlessDamaged { try PackReader(old.digest, layout: layout) }
        if farewell == .remove { try Self.requireIntact(reader, old.digest) }
        let index =
            try reader.flatMap { reader in try PackReader.unlessDamaged { try reader.readIndex() } } ?? PackIndex()
        let own = try own(old, index)
        let isKept = { own.contains($0) && !isDead($0) }
        let reservation = try disk.reserve(
            old.bytes + Self.newBytes(index, trees, isKept: isKept, deadTrees: deadTrees) + Self.slack)
        let pack = try PackWriter(files: files, layout: layout, replacing: [old.digest])
        do {
            if let reader { try copyBlobs(reader, index, ofPack: old.id, to: pack, isKept: isKept, refine) }
        } catch {
            try pack.abandon()
            throw error
        }
        return Draft(of: old, reader, index, own: own, pack, reservation, isTight: refine != nil)
    }

    /// Puts a draft in the old pack's place. Must run where ingests run.
    ///
    /// - Parameter isForSize: whether a pack that would be no smaller stays as it is.
    /// - Returns: bytes of the pack that is there then, 0 if nothing was left to write; nil if the old one is no longer
    ///   there, or no longer what the draft was made of.
    /// - Throws: as ``run(_:isDead:deadTrees:farewell:)``. Nothing is left of the draft, whatever becomes of it; but what SQLite
    ///   says may leave the new pack there (``UnsettledPacks``).
    func put(
        _ draft: Draft, isDead: (Int) -> Bool = { _ in false }, deadTrees: Set<Int> = [],
        farewell: Farewell = .remove, isForSize: Bool = false
    ) throws -> Int? {
        // With its room on the disk.
        defer { withExtendedLifetime(draft) {} }
        let (old, index, pack) = (draft.old, draft.index, draft.pack)
        let digest: Digest?
        do {
            try unsettled.settle()
            let (trees, lost, retired, isThere) = try catalogue.pool.read { database in
                (
                    try catalogue.trees(ofPack: old.id, database),
                    try catalogue.lost(ofPack: old.id, database), try catalogue.retiredPacks(database),
                    try catalogue.pack(old.digest, database)?.id == old.id
                )
            }
            guard isThere, try own(old, index) == draft.own else {
                try pack.abandon()
                return nil
            }
            pack.addReplaced(retired)
            let parents = try copyManifests(
                trees.filter { !deadTrees.contains($0.id) }, draft.reader, to: pack, deadTrees)
            let kernels = try catalogue.pool.read { database in
                try old.kernels.filter { try catalogue.has($0, database) }
            }
            for kernel in kernels { pack.addKernel(kernel) }
            let left = PackIndex.Lost(
                blobs: lost.blobs.filter { !isDead($0.number) },
                manifests: lost.manifests.filter { lost in
                    !trees.contains { $0.digest == lost.digest && deadTrees.contains($0.id) }
                })
            pack.setLost(left)
            if pack.index.blobs.isEmpty, pack.index.manifests.isEmpty, kernels.isEmpty, left.isEmpty {
                try pack.abandon()
                digest = nil
            } else {
                try pack.seal()
                guard !isForSize || pack.length < old.bytes else {
                    try pack.abandon()
                    return old.bytes
                }
                digest = try pack.commit(to: layout)
            }
            try catalogue.write { database in
                try replace(draft, by: digest, parents, database)
                for number in (index.blobs.map(\.number) + lost.blobs.map(\.number)).filter(isDead) {
                    try database.execute(
                        sql: "DELETE FROM blob WHERE number = ? AND pack = ?", arguments: [number, old.id])
                }
                for tree in trees where deadTrees.contains(tree.id) { try remove(tree, database) }
            }
        } catch {
            try pack.abandon()
            guard let name = pack.name else { throw error }
            // What no row names says that it takes a living pack's place, which a rebuild would believe. After what SQLite says
            // itself it has to stay: the old pack goes if the transaction turns out to be on disk.
            if !(error is Problem) {
                unsettled.add(name)
            } else if (try? catalogue.pool.read { try catalogue.hasPack(name, $0) }) == false {
                try files.remove(layout.pack(name))
            }
            throw error
        }
        content.contentsMoved()
        try bidFarewell(to: old.digest, farewell)
        return digest == nil ? 0 : pack.length
    }

    /// A flipped bit must not get a digest that makes it right.
    private static func requireIntact(_ reader: PackReader?, _ digest: Digest) throws {
        guard try PackReader.unlessDamaged({ try reader?.isIntact() ?? false }) == true else {
            throw Problem(.storeDamaged, "The pack \(digest) is damaged. Run a verify: kheader store verify")
        }
    }

    /// A blob that was lost and came back is in the pack that it came with.
    private func own(_ old: PackMap.Pack, _ index: PackIndex) throws -> Set<Int> {
        try catalogue.pool.read { try catalogue.blobs(index.blobs.map(\.number), inPack: old.id, $0) }
    }

    /// Bytes that are more than those of the old file, if blocks and manifests that have to be compressed again do not become
    /// smaller at all.
    private static func newBytes(
        _ index: PackIndex, _ trees: [TreeRow], isKept: (Int) -> Bool, deadTrees: Set<Int>
    ) -> Int {
        let partly = Dictionary(grouping: index.blobs, by: \.block).values.filter { blobs in
            blobs.contains { isKept($0.number) } && !blobs.allSatisfy { isKept($0.number) }
        }
        return partly.joined().reduce(0) { $0 + $1.length }
            + trees.filter { $0.parent.map(deadTrees.contains) ?? false }.reduce(0) { $0 + $1.rawLength }
    }

    private func copyBlobs(
        _ reader: PackReader, _ index: PackIndex, ofPack id: Int, to pack: PackWriter, isKept: (Int) -> Bool,
        _ refine: Refinement?
    ) throws {
        let blobs = Dictionary(grouping: index.blobs, by: \.block)
        for (number, block) in index.blocks.enumerated() {
            let all = blobs[number] ?? []
            let kept = all.filter { isKept($0.number) }
            guard !kept.isEmpty else { continue }
            let listed = kept.map { ($0.number, $0.digest, $0.length) }
            if kept.count == all.count {
                let frame = try reader.read(at: block.offset, count: block.compressedLength)
                try pack.addBlock(
                    try refine?(block, all, frame) ?? frame, rawLength: block.rawLength, blobs: listed,
                    depth: block.depth, prefix: block.prefix)
                continue
            }
            let raw = try kept.flatMap { blob in
                try content.contents(
                    BlobLocation(
                        number: blob.number, digest: blob.digest, length: blob.length, pack: id, block: number,
                        offset: blob.offset, isLost: false))
            }
            let prefix = try content.locations(of: block.prefix).flatMap { try content.contents($0) }
            try pack.addBlock(
                raw, blobs: listed, prefix: BlockPrefix(numbers: block.prefix, contents: prefix, depth: block.depth),
                level: ZstdFrame.tight)
        }
    }

    /// A tree's parent, and how many are above the tree.
    private typealias Parent = (tree: Int, parent: Int?, depth: Int)

    /// - Returns: of each tree, in the order of the manifests.
    private func copyManifests(
        _ trees: [TreeRow], _ reader: PackReader?, to pack: PackWriter, _ dead: Set<Int>
    ) throws -> [Parent] {
        var parents: [Parent] = []
        var walk = ManifestWalk(catalogue: catalogue, content: content)
        for tree in trees where tree.damage != .manifest {
            guard let reader else { break }
            let parent = try livingParent(of: tree, dead)
            if parent?.id == tree.parent {
                try pack.addManifest(
                    try reader.read(at: tree.offset, count: tree.compressedLength), rawLength: tree.rawLength,
                    digest: tree.digest, files: tree.files, bytes: tree.bytes, parent: parent?.digest)
            } else {
                try pack.addManifest(
                    try walk.manifest(tree), digest: tree.digest, files: tree.files, bytes: tree.bytes,
                    parent: try parent.map { ($0.digest, try walk.raw($0)) })
            }
            parents.append((tree.id, parent?.id, parent.map { $0.depth + 1 } ?? 0))
        }
        return parents
    }

    private func livingParent(of tree: TreeRow, _ dead: Set<Int>) throws -> TreeRow? {
        var next = tree.parent
        while let parent = next {
            guard let row = try catalogue.pool.read({ try catalogue.tree(id: parent, $0) }) else { return nil }
            if !dead.contains(parent) { return row }
            next = row.parent
        }
        return nil
    }

    private func replace(_ draft: Draft, by digest: Digest?, _ parents: [Parent], _ database: Database) throws {
        let (old, pack) = (draft.old, draft.pack)
        // Before the highest are gone: their numbers must not come again.
        try catalogue.setUpkeep("nextBlob", try catalogue.nextBlobNumber(database), database)
        try catalogue.retire(pack: old.digest, database)
        guard let digest else { return }
        let id = try catalogue.insertRow(
            ofPack: digest, bytes: pack.length, blobs: pack.index.blobs,
            isTight: try draft.isTight || catalogue.isTight(pack: old.id, database), database)
        let move = try database.cachedStatement(
            sql: "UPDATE blob SET pack = ?, block = ?, offset = ? WHERE number = ? AND pack = ? AND NOT damaged")
        for blob in pack.index.blobs {
            try move.execute(arguments: [id, blob.block, blob.offset, blob.number, old.id])
            guard database.changesCount == 1 else { throw PackedReader.damaged }
        }
        for (manifest, parent) in zip(pack.index.manifests, parents) {
            try database.execute(
                sql: "UPDATE tree SET pack = ?, offset = ?, compressedLength = ?, parent = ?, depth = ? WHERE id = ?",
                arguments: [
                    id, manifest.offset, manifest.compressedLength, parent.parent, parent.depth, parent.tree,
                ])
        }
        try database.execute(
            sql: """
                UPDATE blob SET pack = :new, block = 0, offset = 0 WHERE damaged AND pack = :old;
                UPDATE tree SET pack = :new, parent = NULL, depth = 0 WHERE damaged = 2 AND pack = :old
                """, arguments: ["new": id, "old": old.id])
    }

    private func remove(_ tree: TreeRow, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM tree WHERE id = ?", arguments: [tree.id])
        try database.execute(sql: "DELETE FROM smoke WHERE treeDigest = ?", arguments: [tree.digest])
    }

    private func bidFarewell(to pack: Digest, _ farewell: Farewell) throws {
        if farewell == .quarantine, access(layout.pack(pack), F_OK) == 0 {
            try files.rename(layout.pack(pack), to: "\(layout.quarantine)/\(pack).khpack")
            try files.syncDirectory(layout.quarantine)
        } else {
            try files.remove(layout.pack(pack))
        }
        try files.syncDirectory(layout.packs)
        try catalogue.write { try catalogue.forget(retiredPacks: [pack], $0) }
    }
}
