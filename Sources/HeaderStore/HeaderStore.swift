internal import GRDB
internal import HeaderArchive
public import KernelHeaders
public import Logging
public import OperatorDocuments
internal import Synchronization

/// The store of one server: a folder with packs (truth), bundles and PCHs (derived) and the catalogue. Knows nothing of HTTP.
///
/// One process at a time; the folder is locked as long as this object lives. See ``StoreLayout`` for what lies where and
/// ``PackIndex`` for the format of packs.
public final class HeaderStore: Sendable {
    let layout: StoreLayout
    let options: Options
    private let lock: StoreLock
    let catalogue: Catalogue
    let content: ContentReader
    let bundles: BundleStore
    let pchs: PCHStore
    let documents: KeptDocuments
    let btf: BTFStore
    let disk: DiskBudget
    let unsettled: UnsettledPacks
    let checkIns: CheckIns
    let index: KernelIndex
    let ingests = WorkQueue(label: "ingest", width: 1)
    let btfIngests = WorkQueue(label: "btf", width: 1)
    let reads = WorkQueue(label: "reads", width: 4)
    /// Work for PCHs that takes its time: a tree is unpacked, a PCH compressed.
    let derivations = WorkQueue(label: "pch", width: 2)
    let verifies = WorkQueue(label: "verify", width: 1)
    let collects = WorkQueue(label: "collect", width: 1)
    let repacks = WorkQueue(label: "repack", width: 1)
    let pace: UpkeepPace
    let verifier: StoreVerify
    let collector: StoreCollect
    let repacker: StoreRepack
    let upkeepTasks = Mutex<[Task<Void, Never>]>([])
    let logger: Logger

    /// Opens the store in a folder, making it if there is none, and removes what an interrupted write left behind.
    ///
    /// - Throws: ``StoreOpenError``, `SystemCallError`, or what SQLite says.
    public init(folder: String, options: Options = Options(), logger: Logger) throws {
        self.options = options
        self.logger = logger
        layout = StoreLayout(root: folder)
        lock = try StoreLock.prepare(layout, files: options.files)
        try StoreRecovery.requireCatalogue(layout)
        catalogue = try Catalogue(path: layout.catalogue)
        try StoreRecovery(catalogue: catalogue, layout: layout, files: options.files, logger: logger).run()
        disk = DiskBudget(root: folder, freeBytes: options.freeBytes)
        unsettled = UnsettledPacks(catalogue: catalogue, files: options.files, layout: layout)
        content = ContentReader(catalogue: catalogue, layout: layout)
        bundles = try BundleStore(
            catalogue: catalogue, content: content, files: options.files, layout: layout, disk: disk,
            limit: options.bundleBytes, newest: options.retention.newest)
        pchs = try PCHStore(
            catalogue: catalogue, files: options.files, layout: layout, disk: disk, limit: options.pchBytes,
            newest: options.retention.newest, retrySeconds: options.pchRetrySeconds, now: options.now)
        documents = KeptDocuments(catalogue: catalogue, now: options.now)
        btf = try BTFStore(files: options.files, layout: layout, disk: disk, logger: logger)
        // A crash came between the steps of a purge, or of an upload.
        let names = Dictionary(uniqueKeysWithValues: btf.all.map { [btf] in ($0, btf.fileName($0, $1)) })
        for id in try catalogue.reconcile(btf: names, at: options.now()) {
            try btf.remove(id)
            if let name = names[id] {
                try catalogue.write { [catalogue] in try catalogue.setDoomed(false, btf: name, $0) }
            }
        }
        index = try KernelIndex(catalogue.pool)
        var rules = UploadClaims.Rules()
        rules.claimSeconds = options.claimSeconds
        rules.opinions = options.opinions
        checkIns = try CheckIns(
            catalogue: catalogue, btf: btf, disk: disk, derivedBytes: { [bundles, pchs] in bundles.bytes + pchs.bytes },
            limits: [.headers: options.limits.archiveBytes, .btf: options.btfBytes], rules: rules, hosts: options.hosts,
            flushSeconds: options.flushSeconds, maximumTimes: options.maximumTimes,
            now: options.now, uptime: options.uptime, logger: logger)
        pace = UpkeepPace { [ingests, btfIngests, reads, derivations] in
            ingests.isBusy || btfIngests.isBusy || reads.isBusy || derivations.isBusy
        }
        let rewrite = PackRewrite(
            catalogue: catalogue, content: content, files: options.files, layout: layout, disk: disk,
            unsettled: unsettled)
        verifier = try StoreVerify(
            .init(
                catalogue: catalogue, layout: layout, btf: btf, bundles: bundles.cache, pchs: pchs.cache,
                now: options.now,
                lose: { [catalogue, content, checkIns, ingests] pack in
                    try ingests.runAndWait {
                        let lost = try Damage(catalogue: catalogue, content: content).lose(pack, by: rewrite)
                        try checkIns.headersChanged(lost?.1.kernels ?? [])
                        return lost
                    }
                },
                loseBTF: { [btf, btfIngests, catalogue] id, record in
                    try btfIngests.runAndWait {
                        guard try btf.quarantineIfDamaged(id, record) else { return false }
                        try catalogue.write { try catalogue.btfWasLost(id, $0) }
                        return true
                    }
                }, logger: logger), pace: pace)
        collector = try StoreCollect(
            .init(
                catalogue: catalogue, content: content, files: options.files, layout: layout, rewrite: rewrite,
                btf: btf,
                bundles: bundles.cache, pchs: pchs.cache, ingests: ingests, btfIngests: btfIngests, now: options.now,
                logger: logger), pace: pace)
        repacker = try StoreRepack(
            .init(
                catalogue: catalogue, layout: layout, rewrite: rewrite, ingests: ingests,
                isCollecting: { [collector] in collector.progress.state == .running }, now: options.now), pace: pace)
        if !hasRoomForUploads {
            logger.warning(
                "the disk is full: nothing is taken until there is room",
                metadata: [
                    "folder": "\(folder)", "free": "\(ByteSize.text((try? disk.space().free) ?? 0))",
                    "left free": "\(ByteSize.text(DiskBudget.margin))",
                ])
        }
    }

    /// Bytes that an upload may have.
    public var uploadLimit: Int { options.limits.archiveBytes }

    /// Closes the catalogue, its journal written back, and lets go of the folder. Nothing may be asked of the store after
    /// it.
    public func close() throws {
        pace.cancel()
        try checkIns.close()
        try pchs.close()
        try documents.close()
        try catalogue.close()
        lock.release()
    }

    // MARK: In

    /// Starts an upload.
    ///
    /// - Parameter expecting: its bytes, if the sender said so; room for them is reserved.
    /// - Throws: `Problem` with `upload-too-large` or `disk-full`; `SystemCallError`.
    public func stageUpload(expecting: Int?) throws -> StagedUpload {
        try StagedUpload(
            files: options.files, layout: layout, disk: disk, expecting: expecting, limit: options.limits.archiveBytes)
    }

    /// Takes a finished upload as a kernel's headers.
    ///
    /// - Parameters:
    ///   - upload: is discarded, whatever becomes of it.
    ///   - digest: what ``StagedUpload/finish()`` answered.
    ///   - identity: what the sender says of the kernel.
    ///   - source: counts without a claim only; what comes under one is a host's word.
    ///   - origin: where an agent found the headers.
    ///   - permit: what ``beginUpload(of:kernel:claim:)`` gave; is told how it ended.
    /// - Returns: the receipt, and whether the kernel is new to the store. Both are durable by then.
    /// - Throws: `Problem`: an `archive-…` code, `release-mismatch`, `architecture-mismatch`, `tree-conflict`, `disk-full`.
    public func ingest(
        _ upload: StagedUpload, digest: Digest, identity: KernelIdentity, source: HeaderSource,
        origin: HeaderOrigin? = nil, permit: UploadPermit? = nil
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        let sender = Ingest.Sender(
            source: permit?.host == nil ? source : .agent, origin: origin, host: permit?.host)
        let ingest = Ingest(
            catalogue: catalogue, content: content, files: options.files, layout: layout, disk: disk,
            unsettled: unsettled, limits: options.limits,
            now: options.now)
        let outcome = try await ingests.run { [checkIns] in
            // Before the answer, not whenever the last one lets go of it.
            defer { upload.discard() }
            return try Self.ending(permit, digest: digest, identity: identity) {
                let outcome = try ingest.run(upload, digest: digest, identity: identity, sender: sender)
                try checkIns.headersChanged([identity.buildID] + outcome.healed)
                return outcome
            }
        }
        return (outcome.receipt, outcome.isNew)
    }

    /// Starts an upload of BTF; as ``stageUpload(expecting:)``, with the limit of BTF.
    public func stageBTF(expecting: Int?) throws -> StagedUpload {
        try StagedUpload(
            files: options.files, layout: layout, disk: disk, expecting: expecting, limit: options.btfBytes)
    }

    /// Takes a finished upload as a kernel's raw BTF, whether the store has its headers or not.
    ///
    /// - Parameters:
    ///   - upload: is discarded, whatever becomes of it.
    ///   - digest: what ``StagedUpload/finish()`` answered.
    ///   - permit: what ``beginUpload(of:kernel:claim:)`` gave; is told how it ended.
    /// - Returns: the receipt, and whether the BTF is new to the store. It is durable by then.
    /// - Throws: `Problem` with `btf-malformed`, `btf-conflict` or `disk-full`.
    public func ingestBTF(
        _ upload: StagedUpload, digest: Digest, buildID: BuildID, permit: UploadPermit? = nil
    ) async throws -> (receipt: BTFReceipt, isNew: Bool) {
        try await btfIngests.run { [btf, catalogue, options] in
            defer { upload.discard() }
            return try Self.ending(permit, digest: digest, identity: KernelIdentity(buildID: buildID)) {
                let outcome = try btf.ingest(upload, digest: digest, id: buildID)
                try catalogue.write { try catalogue.btfCame(buildID, at: options.now(), $0) }
                return outcome
            }
        }
    }

    /// Tells an upload's permit what came of it.
    private static func ending<Value>(
        _ permit: UploadPermit?, digest: Digest, identity: KernelIdentity, _ body: () throws -> Value
    ) throws -> Value {
        do {
            let value = try body()
            permit?.ended(.stored(digest))
            return value
        } catch {
            if let problem = error as? Problem {
                permit?.ended(problem, digest: digest, identity: identity)
            } else {
                permit?.ended(.brokenOff)
            }
            throw error
        }
    }

    // MARK: Out

    /// A kernel of which the store has the headers.
    ///
    /// - Throws: `Problem` with `kernel-unknown`, `kernel-purged`, or `kernel-has-no-headers` if there is
    ///   BTF, or a host that runs it.
    public func kernel(_ id: BuildID) async throws -> KernelSummary {
        let row = try await catalogue.pool.read { [catalogue] in try catalogue.kernel(id, $0) }
        guard let summary = row.flatMap({ withBTF($0.entry).summary }) else { throw try await absent(id, row?.entry) }
        return summary
    }

    /// Why there are no headers of a kernel.
    func absent(_ id: BuildID, _ entry: KernelEntry?) async throws -> Problem {
        let push = "Push them with: kheader push ARCHIVE --build-id \(id)"
        if let purge = entry?.purge { return Catalogue.purged(id, purge) }
        if entry?.hosts == 0, btf.record(id) != nil {
            return Problem(.kernelHasNoHeaders, "This server has the BTF of build ID \(id), and no headers. \(push)")
        }
        if let sightings = try await catalogue.pool.read({ [catalogue] in try catalogue.sightings(of: id, $0) }) {
            let refusal =
                checkIns.refusal(of: .headers, id)
                .map { "What a host uploaded was turned down: \($0). " } ?? ""
            return Problem(
                .kernelHasNoHeaders,
                "This server has no headers of build ID \(id). \(sightings.description) \(refusal)\(push)")
        }
        return Self.unknown(id)
    }

    private static func unknown(_ id: BuildID) -> Problem {
        Catalogue.unknown(id, "Push its headers with: kheader push ARCHIVE --build-id \(id)")
    }

    /// The tree that is a kernel's headers, out of memory.
    ///
    /// - Throws: as ``kernel(_:)``.
    public func tree(of id: BuildID) async throws -> Digest {
        if let tree = try keptTree(of: id) { return tree }
        return try await kernel(id).treeDigest
    }

    /// The same at once; nil if the catalogue has to be asked.
    ///
    /// - Throws: `Problem` with `kernel-unknown`.
    public func keptTree(of id: BuildID) throws -> Digest? {
        switch index.standing(of: id) {
        case .headers(let tree): return tree
        case .unknown where btf.record(id) == nil: throw Self.unknown(id)
        default: return nil
        }
    }

    /// What is known of a kernel's BTF goes beside what the catalogue has.
    func withBTF(_ kernel: KernelEntry) -> KernelEntry {
        guard let record = btf.record(kernel.identity.buildID) else { return kernel }
        var kernel = kernel
        kernel.identity.hasBTF = true
        kernel.btfBytes = record.bytes
        return kernel
    }

    /// What the store has of a kernel; nothing of one that it has never seen.
    public func artefacts(of id: BuildID) async throws -> (kernel: KernelSummary?, hasBTF: Bool) {
        let row = try await catalogue.pool.read { [catalogue] in try catalogue.kernel(id, $0) }
        return (row.flatMap { withBTF($0.entry).summary }, btf.record(id) != nil)
    }

    /// A kernel's raw BTF and its SHA-256, or nil if the store has none of this kernel.
    ///
    /// - Throws: `Problem` with `kernel-unknown` if the store has nothing at all of it, or `store-damaged`.
    public func btf(of id: BuildID) async throws -> (bytes: [UInt8], digest: Digest)? {
        guard let record = btf.record(id) else {
            _ = try await tree(of: id)
            return nil
        }
        if let btf = try keptBTF(of: id) { return btf }
        return (try await reads.run { [btf] in try btf.contents(id, record) }, record.digest)
    }

    /// The same at once, if it was asked for lately; nil else.
    ///
    /// - Throws: `Problem` with `kernel-unknown`.
    public func keptBTF(of id: BuildID) throws -> (bytes: [UInt8], digest: Digest)? {
        guard let record = btf.record(id) else {
            _ = try keptTree(of: id)
            return nil
        }
        return btf.kept(record).map { ($0, record.digest) }
    }

    /// A tree's manifest, or what `body` makes of it: work that takes long enough to need a thread of its own.
    ///
    /// - Throws: `Problem` with `tree-unknown` or `store-damaged`; what `body` throws.
    public func manifest<Value: Sendable>(
        of tree: Digest, _ body: @escaping @Sendable (TreeManifest) throws -> Value = { $0 }
    ) async throws -> Value {
        try await reads.run { [content] in try body(try content.tree(tree).manifest) }
    }

    /// A tree's manifest as one document; that of a tree that was asked for lately is kept, as a file in memory.
    ///
    /// - Parameter encode: always makes the same bytes of a manifest.
    /// - Throws: `Problem` with `tree-unknown` or `store-damaged`; what `encode` throws; `SystemCallError`.
    public func manifestDocument(
        of tree: Digest, encode: @escaping @Sendable (TreeManifest) throws -> [UInt8]
    ) async throws -> DerivedFile {
        if let document = keptManifestDocument(of: tree) { return document }
        return try await reads.run { [content] in try content.document(of: tree, encode: encode) }
    }

    /// The same at once, if it was asked for lately; nil else.
    public func keptManifestDocument(of tree: Digest) -> DerivedFile? {
        content.keptDocument(of: tree)
    }

    /// The contents of one file of a tree; of a link to a file, those of the file. What was asked for lately is kept.
    ///
    /// - Throws: `Problem` with `tree-unknown`, `file-unknown` or `store-damaged`.
    public func file(at path: HeaderPath, in tree: Digest) async throws -> (bytes: [UInt8], digest: Digest) {
        if let file = try keptFile(at: path, in: tree) { return file }
        return try await reads.run { [content] in
            guard let file = try content.file(at: path, in: tree) else { throw ContentReader.unknown(path, in: tree) }
            return file
        }
    }

    /// The same at once, if it was asked for lately; nil else.
    ///
    /// - Throws: `Problem` with `file-unknown` if the tree was asked for lately.
    public func keptFile(at path: HeaderPath, in tree: Digest) throws -> (bytes: [UInt8], digest: Digest)? {
        try content.keptFile(at: path, in: tree)
    }

    /// A tree as one file, built if it is not on disk yet.
    ///
    /// - Throws: `Problem` with `tree-unknown`, `store-damaged` or `disk-full`.
    public func bundle(of tree: Digest, format: BundleFormat) async throws -> DerivedFile {
        try await bundles.bundle(BundleKey(tree: tree, format: format))
    }

    /// The same as soon as there is something of it, if it has to be built: it can be sent while it grows.
    ///
    /// - Throws: as ``bundle(of:format:)``, as long as nothing was built. What then fails, ``GrowingFile`` throws.
    public func beginningOfBundle(of tree: Digest, format: BundleFormat) async throws -> BundleAnswer {
        try await bundles.beginning(of: BundleKey(tree: tree, format: format))
    }

    /// The same at once, if it is on disk; nil else.
    public func keptBundle(of tree: Digest, format: BundleFormat) -> DerivedFile? {
        bundles.cache.open(BundleKey(tree: tree, format: format))?.files.first
    }

    /// What is known of a bundle that is on disk, without opening it; as the others, this counts as use.
    public func knownBundle(of tree: Digest, format: BundleFormat) -> (digest: Digest, length: Int)? {
        bundles.cache.use(BundleKey(tree: tree, format: format)).map { ($0.digest, $0.bytes) }
    }
}
