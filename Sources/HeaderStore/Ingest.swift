internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import OperatorDocuments

/// Takes one staged archive into the store: unpack within limits, put new blobs in one pack, sync file and folder, commit
/// in one catalogue transaction. Nothing is answered before it is durable.
///
/// Ingests run one after the other, so that blob numbers and the choice "new or known" need no locks. A crash at any
/// point leaves at most files that nothing refers to; the next start removes them.
struct Ingest {
    /// Whom an upload is from.
    struct Sender: Sendable {
        var source: HeaderSource
        /// Where an agent found it.
        var origin: HeaderOrigin?
        /// The host, if it uploads under a claim.
        var host: HostID?
    }

    /// What became of an upload.
    struct Outcome: Sendable {
        var receipt: IngestReceipt
        /// False if the kernel had this very tree.
        var isNew: Bool
        /// Kernels whose headers were damaged, and are whole again.
        var healed: [BuildID] = []
    }

    let catalogue: Catalogue
    let content: ContentReader
    let files: any FileSystem
    let layout: StoreLayout
    let disk: DiskBudget
    let unsettled: UnsettledPacks
    let limits: ArchiveLimits
    /// Seconds since 1970.
    let now: @Sendable () -> Int

    /// - Parameters:
    ///   - archiveDigest: the SHA-256 of the staged file.
    ///   - identity: what the sender says of the kernel; what it leaves out is taken from the tree.
    /// - Throws: `Problem`: an `archive-…` code, `release-mismatch`, `architecture-mismatch`, `tree-conflict`, `disk-full`.
    func run(
        _ upload: StagedUpload, digest archiveDigest: Digest, identity: KernelIdentity, sender: Sender
    ) throws -> Outcome {
        let (known, isDamaged) = try catalogue.pool.read { database in
            let known = try catalogue.held(identity.buildID, database)
            let tree = try known.flatMap { try catalogue.tree($0.summary.treeDigest, database) }
            return (known, tree.map { $0.damage != .none } ?? false)
        }
        if let known, known.archiveDigest == archiveDigest, !isDamaged { return try sighted(known) }
        let unpacked = try unpack(upload)
        defer { try? unpacked.spool.discard() }
        let treeDigest = unpacked.manifest.digest
        if let known {
            if known.summary.treeDigest == treeDigest {
                return isDamaged ? try heal(known, unpacked) : try sighted(known)
            }
            throw try conflict(known, with: treeDigest, sender)
        }
        let record = KernelRecord(
            identity: try Self.complete(identity, unpacked), source: sender.source, treeDigest: treeDigest,
            archiveDigest: archiveDigest, firstSeen: now(), origin: sender.origin, uploader: sender.host)
        return try commit(record, of: record.identity.buildID, unpacked)
    }

    /// An archive as it lies in the spool.
    private struct Unpacked {
        let manifest: TreeManifest
        let spool: BlobSpool
        /// The numbers of those that the store had and lost.
        let lost: [Digest: [Int]]
        /// How many of the archive's blobs came first with each older pack.
        let firstWith: [Int: Int]
    }

    private func unpack(_ upload: StagedUpload) throws -> Unpacked {
        // One connection for all look-ups: no other ingest runs, and to ask for one for each of 6,000 files costs more than
        // the archive.
        try catalogue.pool.unsafeReentrantRead { database in
            var lost: [Digest: [Int]] = [:]
            var firstWith: [Int: Int] = [:]
            let reservation = try disk.reserve(0)
            let spool = try BlobSpool(files: files, layout: layout) { digest in
                let places = try catalogue.places(of: digest, database)
                // What is lost comes back, wherever else it is: manifests name it by that number.
                guard !places.contains(where: \.isLost) else {
                    lost[digest] = places.filter(\.isLost).map(\.place.number)
                    return []
                }
                if let first = places.last { firstWith[first.place.block.pack, default: 0] += 1 }
                return places.map(\.place)
            } reserve: {
                try reservation.use($0)
            }
            do {
                let manifest = try HeaderTreeReader.read(FileSource(path: upload.path), limits: limits, visitor: spool)
                try spool.finish()
                return Unpacked(manifest: manifest, spool: spool, lost: lost, firstWith: firstWith)
            } catch {
                try spool.discard()
                throw error
            }
        }
    }

    /// The identity with what the tree says, which must not be something else.
    private static func complete(_ identity: KernelIdentity, _ unpacked: Unpacked) throws -> KernelIdentity {
        var identity = identity
        let labels = unpacked.spool.labels
        if let release = labels.release {
            if let said = identity.release, said != release {
                throw Problem(
                    .releaseMismatch,
                    "These are headers of \(release), not of \(said). Send those of the kernel with this build ID.")
            }
            identity.release = release
        }
        if let architecture = labels.architecture(of: unpacked.manifest) {
            if let said = identity.architecture, said.sourceFolder != architecture.sourceFolder {
                throw Problem(
                    .architectureMismatch,
                    "These are headers for \(architecture), not for \(said). Send those of this kernel.")
            }
            identity.architecture = identity.architecture ?? architecture
        }
        return identity
    }

    private func sighted(_ kernel: HeldKernel) throws -> Outcome {
        let summary = kernel.summary
        try catalogue.write { try catalogue.sighted(summary.identity.buildID, at: now(), $0) }
        let receipt = IngestReceipt(
            buildID: summary.identity.buildID, treeDigest: summary.treeDigest, files: summary.files,
            bytes: summary.bytes,
            newBlobs: 0, newBytes: 0, storedBytes: 0)
        return Outcome(receipt: receipt, isNew: false)
    }

    private func conflict(_ kernel: HeldKernel, with tree: Digest, _ sender: Sender) throws -> Problem {
        let id = kernel.summary.identity.buildID
        try catalogue.write {
            try catalogue.conflicted(id, tree: tree, source: sender.source, host: sender.host, at: now(), $0)
        }
        return Problem(
            .treeConflict,
            "Build ID \(id) has the tree \(kernel.summary.treeDigest) already, and this is \(tree). It is on record as a conflict; "
                + "check where these headers come from.")
    }

    /// Brings back what a verify found damaged of a kernel's tree: the upload has it.
    private func heal(_ kernel: HeldKernel, _ unpacked: Unpacked) throws -> Outcome {
        let outcome = try sighted(kernel)
        let tree = try catalogue.pool.read { try catalogue.tree(kernel.summary.treeDigest, $0) }
        guard !unpacked.spool.newBlobs.isEmpty || tree?.damage == .manifest else {
            // Another kernel's upload has brought it all.
            _ = try Damage(catalogue: catalogue, content: content).review()
            return outcome
        }
        return try commit(nil, of: kernel.summary.identity.buildID, unpacked)
    }

    /// - Parameter record: nil if the kernel is on record already, and contents of it were lost.
    private func commit(_ record: KernelRecord?, of id: BuildID, _ unpacked: Unpacked) throws -> Outcome {
        let treeDigest = unpacked.manifest.digest
        let (tree, firstNumber) = try catalogue.pool.read {
            (try catalogue.tree(treeDigest, $0), try catalogue.nextBlobNumber($0))
        }
        let newBytes = unpacked.spool.newBlobs.reduce(0) { $0 + $1.length }
        // A tree that another kernel has already adds nothing but the kernel, and what was lost of it.
        // One connection for all that a plan looks up. Nothing else writes what it reads while this runs.
        let filling = try catalogue.pool.unsafeReentrantRead { database in
            tree?.damage == TreeRow.Damage.none ? nil : try self.filling(unpacked, of: tree, database)
        }
        let reservation = try disk.reserve(filling?.plan.blocks.reduce(0) { $0 + $1.rawLength } ?? 0)
        defer { withExtendedLifetime(reservation) {} }
        try unsettled.settle()
        let isHealing = !unpacked.lost.isEmpty || tree.map { $0.damage != .none } ?? false
        let pack = try PackWriter(files: files, layout: layout, replacing: isHealing ? [] : nil)
        let digest: Digest
        do {
            if let filling { try fill(pack, unpacked, by: filling, of: tree, firstNumber: firstNumber) }
            if let record { pack.addKernel(record) }
            digest = try pack.commit(to: layout)
        } catch {
            try pack.abandon()
            throw error
        }
        do {
            try catalogue.write { database in
                // The very same pack is there, or was, if the kernel was uploaded, purged and uploaded again within a second.
                if try !catalogue.hasPack(digest, database) {
                    try catalogue.forget(retiredPack: digest, database)
                    try catalogue.insert(pack: digest, bytes: pack.length, index: pack.index, database)
                }
                if let record { try catalogue.insert(record, database) }
            }
        } catch let problem as Problem where problem.code == .diskFull {
            // The next ingest gives its blobs the same numbers, and a rebuild could not tell which pack counts.
            if try !catalogue.pool.read({ try catalogue.hasPack(digest, $0) }) { try files.remove(layout.pack(digest)) }
            throw problem
        } catch {
            unsettled.add(digest)
            throw error
        }
        let receipt = IngestReceipt(
            buildID: id, treeDigest: treeDigest, files: unpacked.manifest.fileCount,
            bytes: unpacked.manifest.contentBytes, newBlobs: unpacked.spool.newBlobs.count, newBytes: newBytes,
            storedBytes: pack.length)
        let healed = isHealing ? try Damage(catalogue: catalogue, content: content).review() : []
        return Outcome(receipt: receipt, isNew: record != nil, healed: healed)
    }

    /// What a pack is filled with.
    private struct Filling {
        let plan: BlockPlan
        /// Where the store has the rest of the tree.
        let places: [Digest: BlobPlace]
        /// Whose manifest this one's leans on.
        let manifestParent: StoredTree?
    }

    /// - Parameter tree: what the store has of it; nil if it is new.
    private func filling(_ unpacked: Unpacked, of tree: TreeRow?, _ database: Database) throws -> Filling {
        let counts = try catalogue.blobCounts(ofPacks: Array(unpacked.firstWith.keys), database)
        let shares = unpacked.firstWith.map { PackShare(pack: $0.key, blobs: $0.value, of: counts[$0.key] ?? 0) }
        let parent = try chooseParent(shares, database)
        var graph = BlockGraph(content: content)
        let places = try graph.fewest(unpacked.spool.known, of: unpacked.manifest)
        let parents = [parent, try newestRelative(shares, database), try root(places.values, database)].compactMap(
            \.self)
        // At most, before any path is left out that the one before it begins with.
        let own = unpacked.manifest.entries.reduce(0) { $0 + $1.textBytes + 16 }
        let manifestParent = try manifestParent(
            parent, atMost: max(unpacked.manifest.contentBytes, BlockPlan.fileBytes) - own, database)
        // What was lost under several numbers comes back under each. A manifest that is there names one of them, or another,
        // which is good; one that is to be written names the first.
        let named =
            try tree.flatMap { tree in try PackReader.unlessDamaged { try content.tree(tree.digest).numbers } } ?? []
        let namedNumbers = Set(named.compactMap(\.self))
        let items = unpacked.spool.newBlobs.flatMap { blob in
            var item = BlockPlan.Item(path: blob.path, digest: blob.digest, length: blob.length)
            guard let numbers = unpacked.lost[blob.digest] else { return [item] }
            let own = numbers.first { namedNumbers.contains($0) } ?? (namedNumbers.isEmpty ? numbers.first : nil)
            return ([own] + numbers.filter { $0 != own }).enumerated().compactMap { copy, number in
                guard let number else { return nil }
                (item.number, item.copy) = (number, copy)
                return item
            }
        }
        let above = try manifestParent.map { try catalogue.manifestBytes(ofTree: $0.row.id, database) }
        let unbound = try BlockPlan(
            of: unpacked.manifest, new: items, places: places, parents: parents, manifestBytes: (above ?? 0) + own,
            graph: graph, content: content)
        var plan = unbound
        // The manifest that is there names what it named.
        if tree?.damage != .contents {
            try plan.bound(copies: try catalogue.copiesLeft(database))
            // What can't be read is not copied, and no reason to refuse the rest.
            if try !isReadable(plan.again, places) { plan = unbound }
        }
        return Filling(plan: plan, places: places, manifestParent: manifestParent)
    }

    private func isReadable(_ digests: Set<Digest>, _ places: [Digest: BlobPlace]) throws -> Bool {
        let reading = TreeReading(content)
        return try PackReader.unlessDamaged {
            let numbers = digests.compactMap { places[$0]?.number }.sorted()
            for location in try content.locations(of: numbers) { _ = try reading.contents(location) }
            return true
        } ?? false
    }

    private func fill(
        _ pack: PackWriter, _ unpacked: Unpacked, by filling: Filling, of tree: TreeRow?, firstNumber: Int
    ) throws {
        let blocks = filling.plan.blocks
        // What manifests call the contents, and the next number of what never had one.
        var own: [Digest: Int] = [:]
        var next = firstNumber
        let spooled = Dictionary(uniqueKeysWithValues: unpacked.spool.newBlobs.map { ($0.digest, $0) })
        let reading = TreeReading(content)
        let level = blocks.reduce(0) { $0 + $1.rawLength } <= PackIndex.tightBytes ? ZstdFrame.tight : 7
        for block in blocks {
            var raw: [UInt8] = []
            var blobs: [(number: Int, digest: Digest, length: Int)] = []
            for item in block.items {
                let bytes = try contents(
                    of: item.digest, unpacked, spooled, filling.places[item.digest], reading)
                let number = item.number ?? next
                if item.number == nil { next += 1 }
                own[item.digest] = own[item.digest] ?? number
                raw += bytes
                blobs.append((number, item.digest, bytes.count))
            }
            try pack.addBlock(raw, blobs: blobs, prefix: try prefix(for: block, reading), level: level)
        }
        guard tree?.damage != .contents else { return }
        let entries = unpacked.manifest.entries.map { entry in
            switch entry.kind {
            case .link(let target): return StoredManifest.Entry(path: entry.path, kind: .link(target: target))
            case .file(_, let digest, let executable):
                let number = own[digest] ?? filling.places[digest]?.number ?? 0
                return StoredManifest.Entry(path: entry.path, kind: .file(number: number, executable: executable))
            }
        }
        try pack.addManifest(
            StoredManifest(entries: entries), digest: unpacked.manifest.digest, files: unpacked.manifest.fileCount,
            bytes: unpacked.manifest.contentBytes, parent: filling.manifestParent.map { ($0.row.digest, $0.raw) })
    }

    private func contents(
        of digest: Digest, _ unpacked: Unpacked, _ spooled: [Digest: BlobSpool.NewBlob], _ place: BlobPlace?,
        _ reading: TreeReading
    ) throws -> [UInt8] {
        if let blob = spooled[digest] { return try unpacked.spool.contents(of: blob) }
        guard let place else { throw PackedReader.damaged }
        return try reading.contents(try content.locations(of: [place.number])[0])
    }

    /// What the block is compressed with; nothing if that can't be read.
    private func prefix(for block: BlockPlan.Block, _ reading: TreeReading) throws -> BlockPrefix {
        try PackReader.unlessDamaged {
            BlockPrefix(
                numbers: block.prefix,
                contents: try content.locations(of: block.prefix).flatMap { try reading.contents($0) },
                depth: block.depth)
        } ?? .none
    }

    /// How many of the blobs that came first with a pack an archive has, and how many these are.
    private struct PackShare {
        let pack: Int
        let blobs: Int
        let of: Int
    }

    /// The tree to compress against, whatever it is called: that of the pack of which this archive has the largest part,
    /// the newest of several. The pack of the revision before has a hundred blobs, and the next revision nearly all of
    /// them; that of another flavour has a few, and others do not share them. One blob too many is counted, as a pack of a
    /// single one that stays for ever would else be the parent for ever. What was stored once more does not count: it is
    /// what all have.
    private func chooseParent(_ shares: [PackShare], _ database: Database) throws -> StoredTree? {
        func part(_ share: PackShare) -> Double { Double(share.blobs) / Double(share.of + 1) }
        return try tree(inPack: shares.max { (part($0), $0.pack) < (part($1), $1.pack) }?.pack, database)
    }

    /// The tree of the newest pack of which this archive has the better half: mostly the revision before, however much of it
    /// has changed again.
    private func newestRelative(_ shares: [PackShare], _ database: Database) throws -> StoredTree? {
        try tree(inPack: shares.filter { 2 * $0.blobs >= $0.of }.map(\.pack).max(), database)
    }

    /// The parent itself, or one that is above it (``ChainFold``).
    ///
    /// - Parameter bytes: raw bytes of all manifests above the new one, at most.
    private func manifestParent(_ parent: StoredTree?, atMost bytes: Int, _ database: Database) throws -> StoredTree? {
        guard let parent else { return nil }
        return try ChainFold.base(from: parent.row, maximumDepth: StoredManifest.maximumDepth) { row in
            ChainFold.Link(
                depth: row.depth, compressedLength: row.compressedLength,
                base: try row.parent.flatMap { try catalogue.tree(id: $0, database) })
        } base: { row in
            guard try catalogue.manifestBytes(ofTree: row.id, database) <= bytes else { return nil }
            return try PackReader.unlessDamaged { try content.tree(row.digest) }
        }
    }

    /// The tree of the pack with most of a tree's blobs: its blocks have to be read anyway, and lean on little.
    private func root(_ places: some Collection<BlobPlace>, _ database: Database) throws -> StoredTree? {
        var perPack: [Int: Int] = [:]
        for place in places { perPack[place.block.pack, default: 0] += 1 }
        return try tree(inPack: perPack.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key, database)
    }

    /// - Returns: nil if the store can't read it any more, which is no reason to refuse something new.
    private func tree(inPack pack: Int?, _ database: Database) throws -> StoredTree? {
        let row = try pack.flatMap { try catalogue.tree(inPack: $0, database) }
        return try PackReader.unlessDamaged { try row.map { try content.tree($0.digest) } } ?? nil
    }
}
