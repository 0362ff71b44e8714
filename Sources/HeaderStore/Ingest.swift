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

    /// The most bytes of older contents that a block is compressed with.
    private static let maximumPrefix = 4 << 20

    let catalogue: Catalogue
    let content: ContentReader
    let files: any FileSystem
    let layout: StoreLayout
    let disk: DiskBudget
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
        let lost: [Digest: Int]
        /// How many of the archive's blobs came with each older pack.
        let knownPerPack: [Int: Int]
    }

    private func unpack(_ upload: StagedUpload) throws -> Unpacked {
        // One snapshot for all look-ups: no other ingest runs, and a read transaction for each of 6,000 files costs more
        // than the archive.
        try catalogue.pool.unsafeReentrantRead { database in
            var knownPerPack: [Int: Int] = [:]
            var lost: [Digest: Int] = [:]
            let reservation = try disk.reserve(0)
            let spool = try BlobSpool(files: files, layout: layout) { digest in
                guard let (number, pack, isLost) = try catalogue.blobNumber(digest, database) else { return nil }
                guard !isLost else {
                    lost[digest] = number
                    return nil
                }
                knownPerPack[pack, default: 0] += 1
                return number
            } reserve: {
                try reservation.use($0)
            }
            do {
                let manifest = try HeaderTreeReader.read(FileSource(path: upload.path), limits: limits, visitor: spool)
                try spool.finish()
                return Unpacked(manifest: manifest, spool: spool, lost: lost, knownPerPack: knownPerPack)
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
        let reservation = try disk.reserve(newBytes)
        defer { withExtendedLifetime(reservation) {} }
        let isHealing = !unpacked.lost.isEmpty || tree.map { $0.damage != .none } ?? false
        let pack = try PackWriter(files: files, layout: layout, replacing: isHealing ? [] : nil)
        let digest: Digest
        do {
            // A tree that another kernel has already adds nothing but the kernel, and what was lost of it.
            try fill(pack, unpacked, of: tree, firstNumber: firstNumber)
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
            // The next ingest gives its blobs the same numbers, and a rebuild could not tell which pack counts. After any
            // other failure the transaction may turn out to be on disk, and the pack has to stay.
            if try !catalogue.pool.read({ try catalogue.hasPack(digest, $0) }) { try files.remove(layout.pack(digest)) }
            throw problem
        }
        let receipt = IngestReceipt(
            buildID: id, treeDigest: treeDigest, files: unpacked.manifest.fileCount,
            bytes: unpacked.manifest.contentBytes, newBlobs: unpacked.spool.newBlobs.count, newBytes: newBytes,
            storedBytes: pack.length)
        let healed = isHealing ? try Damage(catalogue: catalogue, content: content).review() : []
        return Outcome(receipt: receipt, isNew: record != nil, healed: healed)
    }

    /// - Parameter tree: what the store has of it; nil if it is new.
    private func fill(_ pack: PackWriter, _ unpacked: Unpacked, of tree: TreeRow?, firstNumber: Int) throws {
        // A tree that is there and whole brings nothing new.
        guard tree?.damage != TreeRow.Damage.none else { return }
        let parent = try chooseParent(unpacked.knownPerPack)
        let blobs = unpacked.spool.newBlobs.sorted { $0.path < $1.path }
        let new = blobs.map(\.digest).filter { unpacked.lost[$0] == nil }
        // Manifests name what was lost by the number that it had.
        let numbers = Dictionary(uniqueKeysWithValues: zip(new, firstNumber...))
            .merging(unpacked.spool.known) { own, _ in own }.merging(unpacked.lost) { own, _ in own }
        let level = blobs.reduce(0) { $0 + $1.length } <= PackIndex.tightBytes ? ZstdFrame.tight : 7
        for block in Self.blocks(of: blobs) {
            try pack.addBlock(
                try block.flatMap { try unpacked.spool.contents(of: $0) },
                blobs: block.map { (numbers[$0.digest] ?? 0, $0.digest, $0.length) },
                prefix: try prefix(for: block, from: parent), level: level)
        }
        guard tree?.damage != .contents else { return }
        let entries = unpacked.manifest.entries.map { entry in
            switch entry.kind {
            case .link(let target): StoredManifest.Entry(path: entry.path, kind: .link(target: target))
            case .file(_, let digest, let executable):
                StoredManifest.Entry(
                    path: entry.path, kind: .file(number: numbers[digest] ?? 0, executable: executable))
            }
        }
        let manifestParent = parent.flatMap { $0.row.depth < StoredManifest.maximumDepth ? $0 : nil }
        try pack.addManifest(
            StoredManifest(entries: entries), digest: unpacked.manifest.digest, files: unpacked.manifest.fileCount,
            bytes: unpacked.manifest.contentBytes, parent: manifestParent.map { ($0.row.digest, $0.raw) })
    }

    /// Blobs in the order of their paths, cut into blocks.
    private static func blocks(of blobs: [BlobSpool.NewBlob]) -> [[BlobSpool.NewBlob]] {
        var blocks: [[BlobSpool.NewBlob]] = []
        var size = 0
        for blob in blobs {
            if blocks.isEmpty || (size > 0 && size + blob.length > PackIndex.blockSize) {
                blocks.append([])
                size = 0
            }
            blocks[blocks.count - 1].append(blob)
            size += blob.length
        }
        return blocks
    }

    /// The tree to compress against, whatever it is called: that of the pack of which this archive has the largest part,
    /// the newest of several. The pack of the revision before has a hundred blobs, and the next revision nearly all of
    /// them; that of another flavour has a few, and others do not share them.
    private func chooseParent(_ knownPerPack: [Int: Int]) throws -> StoredTree? {
        let row = try catalogue.pool.read { database in
            let counts = try catalogue.blobCounts(ofPacks: Array(knownPerPack.keys), database)
            func part(_ pack: Int) -> Double { Double(knownPerPack[pack] ?? 0) / Double(max(counts[pack] ?? 1, 1)) }
            return try knownPerPack.keys.max { (part($0), $0) < (part($1), $1) }.flatMap {
                try catalogue.tree(inPack: $0, database)
            }
        }
        // What the store can't read any more is no base for something new, and no reason to refuse it.
        return try PackReader.unlessDamaged { try row.map { try content.tree($0.digest) } } ?? nil
    }

    /// What the parent has at the paths of a block.
    private func prefix(for block: [BlobSpool.NewBlob], from parent: StoredTree?) throws -> BlockPrefix {
        guard let parent else { return .none }
        var numbers: [Int] = []
        var taken: Set<Int> = []
        var size = 0
        for blob in block {
            guard let index = parent.manifest.index(of: blob.path), let number = parent.numbers[index],
                case .file(let length, _, _) = parent.manifest.entries[index].kind, size + length <= Self.maximumPrefix,
                taken.insert(number).inserted
            else { continue }
            numbers.append(number)
            size += length
        }
        return try PackReader.unlessDamaged { try content.prefix(of: numbers) } ?? .none
    }
}
