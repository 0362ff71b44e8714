internal import GRDB
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Logging
internal import OperatorDocuments
internal import Synchronization

/// Reads everything in the store and holds it against its digests: packs with their index, each blob and each manifest, BTF,
/// bundles, PCHs (promise 2).
///
/// A round goes through the files in a fixed order, and its place is on record, so that the next start goes on there.
final class StoreVerify: Sendable {
    /// One file, or what belongs together.
    private enum Item {
        case pack(Digest)
        case btf(BuildID, BTFStore.Record)
        case bundle(BundleKey, BundleRecord)
        case pch(Digest, PCHRecord)
    }

    /// As it is on record.
    private struct Document: Codable {
        var progress = StoreVerification()
        /// The last item that was read.
        var place: String?
    }

    private struct State {
        var document: Document
        /// Counts those who want to run; the last one does.
        var turn = 0
    }

    /// What it reads with and acts by.
    struct Tools: Sendable {
        let catalogue: Catalogue
        let layout: StoreLayout
        let btf: BTFStore
        let bundles: DerivedCache<BundleRecord>
        let pchs: DerivedCache<PCHRecord>
        /// Seconds since 1970.
        let now: @Sendable () -> Int
        /// Looks at a pack again, between ingests, and acts if it is damaged; nil if it is not, or no longer there.
        let lose: @Sendable (Digest) throws -> (Damage.Finding, Damage.Consequences)?
        /// Reads a kernel's BTF, between uploads of such; says whether it was damaged, and is in quarantine.
        let loseBTF: @Sendable (BuildID, BTFStore.Record) throws -> Bool
        let logger: Logger
    }

    /// Bytes after which the place is put on record.
    private static let recordBytes = 64 << 20

    private let tools: Tools
    private let pace: UpkeepPace
    private let state: Mutex<State>

    init(_ tools: Tools, pace: UpkeepPace) throws {
        self.tools = tools
        self.pace = pace
        var document = try tools.catalogue.pool.read { try tools.catalogue.upkeep("verify", Document.self, $0) }
        document?.progress.state = .idle
        state = Mutex(State(document: document ?? Document()))
    }

    /// How the last round stands, or the one under way.
    var progress: StoreVerification { state.withLock { $0.document.progress } }

    /// Says that a round is to run at once, beginning anew. One in the background gives way to it.
    ///
    /// - Returns: the turn to give to ``run(turn:bytesPerSecond:)``; nil if one that was asked for is under way.
    func begin() -> Int? {
        state.withLock { state in
            let progress = state.document.progress
            guard progress.state == .idle || !progress.isOnDemand else { return nil }
            state.turn += 1
            state.document = Document(progress: fresh(after: progress, isOnDemand: true))
            return state.turn
        }
    }

    /// Says that a round in the background is to go on, or to begin.
    ///
    /// - Returns: as ``begin()``; nil if any is under way.
    func resume() -> Int? {
        state.withLock { state in
            let progress = state.document.progress
            guard progress.state == .idle else { return nil }
            state.turn += 1
            if progress.ended != nil || progress.started == nil {
                state.document = Document(progress: fresh(after: progress, isOnDemand: false))
            } else {
                state.document.progress.state = .running
                state.document.progress.isOnDemand = false
                state.document.progress.failure = nil
            }
            return state.turn
        }
    }

    private func fresh(after last: StoreVerification, isOnDemand: Bool) -> StoreVerification {
        var progress = StoreVerification()
        progress.state = .running
        progress.round = last.round + 1
        progress.lastEnded = last.lastWhole
        progress.earlier = last.lastFindings
        progress.isOnDemand = isOnDemand
        progress.started = tools.now()
        return progress
    }

    /// Reads all that the round has not read yet. Blocks.
    ///
    /// - Throws: `CancellationError` if it is to end, or another round took its place; `SystemCallError`, what SQLite says.
    func run(turn: Int, bytesPerSecond: Int?) throws {
        do {
            try readAll(turn, bytesPerSecond)
        } catch {
            let document = state.withLock { state -> Document? in
                guard state.turn == turn else { return nil }
                state.document.progress.state = .idle
                if !(error is CancellationError) { state.document.progress.failure = "\(error)" }
                return state.document
            }
            if let document { try? record(document) }
            throw error
        }
    }

    private func readAll(_ turn: Int, _ bytesPerSecond: Int?) throws {
        var items = try items()
        var unrecorded = 0
        let examination = PackExamination(catalogue: tools.catalogue, layout: tools.layout)
        try update(turn) { document in
            let rest = items.filter { item in document.place.map { $0 < Self.name(item.item) } ?? true }
            document.progress.allFiles = document.progress.files + rest.count
            document.progress.allBytes = document.progress.bytes + rest.reduce(0) { $0 + $1.bytes }
            items = rest
        }
        for (item, bytes) in items {
            let wait = { (bytes: Int) in
                try self.pace.wait(before: bytes, bytesPerSecond: bytesPerSecond)
                try self.update(turn) { _ in }
            }
            let damage = try check(item, examination, wait)
            if let damage {
                tools.logger.error(
                    "a file of the store is damaged",
                    metadata: [
                        "kind": "\(damage.kind.rawValue)", "file": "\(damage.name)", "kernels": "\(damage.kernelCount)",
                        "paths": "\(damage.pathCount)",
                    ])
            }
            unrecorded += bytes
            let document = try update(turn) { document in
                document.place = Self.name(item)
                document.progress.files += 1
                document.progress.bytes += bytes
                guard let damage else { return }
                document.progress.found += 1
                if document.progress.findings.count < StoreVerification.maximumFindings {
                    document.progress.findings.append(damage)
                }
            }
            if unrecorded >= Self.recordBytes || damage != nil {
                try record(document)
                unrecorded = 0
            }
        }
        try record(
            try update(turn) { document in
                document.progress.state = .idle
                document.progress.ended = tools.now()
                document.place = nil
            })
    }

    @discardableResult
    private func update(_ turn: Int, _ change: (inout Document) -> Void) throws -> Document {
        try state.withLock { state in
            guard state.turn == turn else { throw CancellationError() }
            change(&state.document)
            return state.document
        }
    }

    private func record(_ document: Document) throws {
        try tools.catalogue.write { try tools.catalogue.setUpkeep("verify", document, $0) }
    }

    // MARK: Items

    /// All there is to read, in order.
    private func items() throws -> [(item: Item, bytes: Int)] {
        var items: [(item: Item, bytes: Int)] = try tools.catalogue.pool.read { try tools.catalogue.packs($0) }
            .map { (.pack($0.digest), $0.bytes) }
        items += tools.btf.all.map { (.btf($0.key, $0.value), $0.value.storedBytes) }
        items += tools.bundles.all.map { (.bundle($0.key, $0.value), $0.value.bytes(of: $0.key)) }
        items += tools.pchs.all.map { (.pch($0.key, $0.value), $0.value.bytes(of: $0.key)) }
        return items.sorted { Self.name($0.item) < Self.name($1.item) }
    }

    private static func name(_ item: Item) -> String {
        switch item {
        // Truth first.
        case .pack(let digest): "1/\(digest)"
        case .btf(let id, _): "2/\(id)"
        case .bundle(let key, _): "3/\(key.fileName)"
        case .pch(let key, _): "4/\(key)"
        }
    }

    private func check(
        _ item: Item, _ examination: PackExamination, _ wait: (_ bytes: Int) throws -> Void
    ) throws -> StoreDamage? {
        switch item {
        case .pack(let digest): return try checkPack(digest, examination, wait)
        case .btf(let id, let record):
            try wait(record.storedBytes)
            let name = tools.btf.fileName(id, record)
            let wasThere = Self.isThere("\(tools.layout.btf)/\(name)")
            guard try tools.loseBTF(id, record) else { return nil }
            return damage(
                .btf, name,
                "\(Self.whereabouts(wasThere)) The next host that offers this kernel's BTF is asked for it.",
                Damage.Consequences(kernels: [id]))
        case .bundle(let key, let record):
            return try checkFiles(of: key, record, tools.bundles, wait).map {
                damage(.bundle, $0, "It was removed, and is made again when it is asked for.")
            }
        case .pch(let key, let record):
            return try checkFiles(of: key, record, tools.pchs, wait).map {
                damage(.pch, $0, "It was removed, and is made again when it is asked for.")
            }
        }
    }

    private func damage(
        _ kind: StoreDamage.Kind, _ name: String, _ detail: String,
        _ consequences: Damage.Consequences = Damage.Consequences()
    ) -> StoreDamage {
        StoreDamage(
            kind, name: name, time: tools.now(), detail: detail, kernels: consequences.kernels,
            paths: consequences.paths)
    }

    /// - Returns: the name of a file that is not what its record says; its record and files are gone then.
    private func checkFiles<Record: DerivedRecord>(
        of key: Record.Key, _ record: Record, _ cache: DerivedCache<Record>, _ wait: (_ bytes: Int) throws -> Void
    ) throws -> String? {
        for file in record.files(of: key) {
            let path = "\(Record.folder(tools.layout))/\(file.name)"
            let isGood = try PackReader.unlessDamaged {
                try DerivedFile(path: path, digest: file.digest, length: file.bytes)?.isIntact(pace: wait)
            }
            // It may have been given up or made anew in the meantime.
            guard isGood != true, cache.drop(key, ifStill: record) else { continue }
            return file.name
        }
        return nil
    }

    // MARK: Packs

    private func checkPack(
        _ digest: Digest, _ examination: PackExamination, _ wait: (_ bytes: Int) throws -> Void
    ) throws -> StoreDamage? {
        let wasThere = Self.isThere(tools.layout.pack(digest))
        guard try examination.run(digest, wait) != nil, let (finding, consequences) = try tools.lose(digest) else {
            return nil
        }
        let (contents, manifests) = (finding.blobs.count, finding.trees.count)
        var lost = [contents == 1 ? "the contents of 1 file" : "the contents of \(contents) files"]
        if manifests > 0 { lost.append(manifests == 1 ? "1 manifest" : "\(manifests) manifests") }
        var damage = damage(
            .pack, "\(digest).khpack",
            "\(Self.whereabouts(wasThere)) Lost of it: \(lost.joined(separator: " and ")). The next upload of each kernel "
                + "brings back what it lacks.", consequences)
        (damage.lostContents, damage.lostManifests) = (contents, manifests)
        return damage
    }

    private static func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private static func whereabouts(_ wasThere: Bool) -> String {
        wasThere ? "It is in quarantine." : "Its file was gone."
    }
}
