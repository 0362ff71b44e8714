internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import OperatorDocuments
internal import Synchronization

/// Compresses again, as tightly as pays, what ingests compressed fast. The contents, which blobs are in which block, and what
/// a block leans on stay as they are.
///
/// Block after block of a pack is written beside it, while uploads and requests have their turn; then the whole takes the
/// old pack's place in one step of the queue of uploads (``PackRewrite``). A block that would become no smaller is copied, a
/// pack that would not stays. What is done is on record in the catalogue (`pack.tight`), so that it is not tried again; a
/// rebuild takes that from the old catalogue, or else tries packs once more.
///
/// Disk: a pack's own size once more, reserved before. Memory: a block with what it leans on, and what zstd takes for it, 140 MB
/// at most for a block of the usual size.
final class StoreRepack: Sendable {
    struct Tools: Sendable {
        let catalogue: Catalogue
        let layout: StoreLayout
        let rewrite: PackRewrite
        let ingests: WorkQueue
        /// A collect that is under way has planned what becomes of which pack: none changes meanwhile.
        let isCollecting: @Sendable () -> Bool
        /// Seconds since 1970.
        let now: @Sendable () -> Int
    }

    /// What several blocks lean on is read once, as a rule.
    private static let cacheBytes = 8 << 20

    private let tools: Tools
    private let pace: UpkeepPace
    private let state: Mutex<StoreRepacking>

    init(_ tools: Tools, pace: UpkeepPace) throws {
        self.tools = tools
        self.pace = pace
        var last = try tools.catalogue.pool.read { try tools.catalogue.upkeep("repack", StoreRepacking.self, $0) }
        last?.state = .idle
        state = Mutex(last ?? StoreRepacking())
    }

    /// The last run, or the one under way.
    var progress: StoreRepacking { state.withLock { $0 } }

    /// Says that a repack is to run.
    ///
    /// - Returns: false if one is under way.
    func begin() -> Bool {
        state.withLock { state in
            guard state.state == .idle else { return false }
            let run = state.run
            state = StoreRepacking()
            state.run = run + 1
            state.state = .running
            state.started = tools.now()
            return true
        }
    }

    /// Makes all packs tight that are not yet. Blocks.
    ///
    /// - Throws: `CancellationError` if it is to end; `Problem` with `disk-full`, or with `store-damaged` once all other packs
    ///   are done; `SystemCallError`, what SQLite says.
    func run() throws {
        do {
            try repackAll()
            try end { $0.failure = nil }
        } catch {
            try? end { $0.failure = error is CancellationError ? "The server was stopped." : "\(error)" }
            throw error
        }
    }

    private func end(_ change: (inout StoreRepacking) -> Void) throws {
        let result = state.withLock { state in
            change(&state)
            state.state = .idle
            state.ended = tools.now()
            return state
        }
        try tools.catalogue.write { try tools.catalogue.setUpkeep("repack", result, $0) }
    }

    private func repackAll() throws {
        let rows = try tools.catalogue.pool.read { try tools.catalogue.loosePacks($0) }
        state.withLock { state in
            state.allPacks = rows.count
            state.allBytes = rows.reduce(0) { $0 + $1.bytes }
        }
        let reader = ContentReader(
            catalogue: tools.catalogue, layout: tools.layout, cacheBytes: Self.cacheBytes)
        var damage: Problem?
        var done = 0
        for row in rows {
            do {
                if let draft = try self.draft(of: PackMap.pack(row, tools.layout), reader) { try swap(draft) }
            } catch let problem as Problem where problem.code == .storeDamaged {
                damage = damage ?? problem
            }
            done += row.bytes
            state.withLock { [done] state in
                state.packs += 1
                state.bytes = done
            }
        }
        if let damage { throw damage }
    }

    /// Compresses a pack's blocks again, beside uploads.
    ///
    /// - Parameter reader: reads what blocks lean on.
    /// - Returns: nil if there is nothing to do, or no longer such a pack.
    func draft(of pack: PackMap.Pack, _ reader: ContentReader) throws -> PackRewrite.Draft? {
        let index = try PackReader.unlessDamaged { try PackReader(pack.digest, layout: tools.layout).readIndex() }
        if index?.isFromTightIngest == true {
            try setTight(pack)
            return nil
        }
        var saved = 0
        do {
            let draft = try tools.rewrite.draft(
                of: pack,
                refine: { block, blobs, frame in
                    try self.pace.wait(before: block.rawLength, bytesPerSecond: nil)
                    let tight = try Self.compressedAgain(block, blobs, frame, reader)
                    self.state.withLock { $0.bytes += frame.count }
                    guard tight.count < frame.count else { return frame }
                    saved += frame.count - tight.count
                    return tight
                })
            guard let draft, saved == 0 else { return draft }
            try draft.abandon()
            try setTight(pack)
            return nil
        } catch let problem as Problem where problem.code == .storeDamaged {
            // A collect or a verify may have written it anew.
            guard try tools.catalogue.pool.read({ try tools.catalogue.pack(pack.digest, $0) }) != nil else {
                return nil
            }
            throw problem
        }
    }

    /// - Throws: `Problem` with `store-damaged` if the block is not what the index says.
    private static func compressedAgain(
        _ block: PackIndex.Block, _ blobs: [PackIndex.Blob], _ frame: [UInt8], _ reader: ContentReader
    ) throws -> [UInt8] {
        let prefix = try reader.locations(of: block.prefix).flatMap { try reader.contents($0) }
        let raw = try ZstdFrame.decompress(frame, rawLength: block.rawLength, prefix: prefix)
        for blob in blobs
        where SHA256Hash.digest(of: Array(raw[blob.offset..<blob.offset + blob.length])) != blob.digest {
            throw PackedReader.damaged
        }
        return try ZstdFrame.compress(raw, prefix: prefix, level: ZstdFrame.tight)
    }

    /// Puts a draft in its pack's place, as soon as uploads and a collect leave it the queue.
    func swap(_ draft: PackRewrite.Draft) throws {
        do {
            repeat {
                try pace.wait(while: tools.isCollecting)
                try pace.wait(before: 1, bytesPerSecond: nil)
            } while try !tools.ingests.runAndWait({ try swapUnlessCollecting(draft) })
        } catch {
            try? draft.abandon()
            throw error
        }
    }

    /// Where ingests run.
    ///
    /// - Returns: false if it has to wait.
    func swapUnlessCollecting(_ draft: PackRewrite.Draft) throws -> Bool {
        guard !tools.isCollecting() else { return false }
        let old = draft.old
        // It may have been read minutes ago. One that is gone is not damaged.
        if try tools.catalogue.pool.read({ try tools.catalogue.pack(old.digest, $0) }) != nil {
            try draft.requireIntact()
        }
        guard let bytes = try tools.rewrite.put(draft, isForSize: true) else { return true }
        guard bytes != old.bytes else {
            try setTight(old)
            return true
        }
        state.withLock { state in
            state.packsRewritten += 1
            state.freedBytes += old.bytes - bytes
        }
        return true
    }

    private func setTight(_ pack: PackMap.Pack) throws {
        try tools.catalogue.write { try tools.catalogue.setTight(pack: pack.id, $0) }
    }
}
