internal import GRDB
internal import Glibc
internal import HeaderArchive
public import KernelHeaders
public import Logging

/// Makes a store's catalogue again from its packs (promise 9): kernels, trees and blobs.
///
/// What only the catalogue knew, hosts and their reports, opinions, conflicts, pins, what was deleted, the times of the last uploads, smoke compiles and what
/// clients asked for, is taken over from the old one as far as that can still be read, all of it or nothing. Without it, hosts that report again are
/// known again, and what hosts had agreed on is one host's word until they have said so again; and packs that a repack
/// could make no smaller are tried once more.
public struct CatalogueRebuild {
    /// What was found.
    public struct Report: Codable, Sendable, Equatable {
        public var packs = 0
        public var kernels = 0
        /// Hosts whose reports were taken over from the old catalogue.
        public var hosts = 0
        /// Packs whose bytes no longer have the digest they are named by; nothing was taken from them.
        public var damagedPacks: [Digest] = []
        /// Packs that are whole, but hold what an earlier pack holds already, or lack an ancestor: a lost pack's kernels were
        /// uploaded again before it was restored. Nothing was taken from them, and they stay.
        public var unusedPacks: [Digest] = []
    }

    private let layout: StoreLayout
    private let files: any FileSystem
    private let logger: Logger

    /// - Parameters:
    ///   - folder: the store's.
    ///   - files: the calls by which its folder is changed.
    public init(folder: String, files: any FileSystem = PosixFileSystem(), logger: Logger) {
        layout = StoreLayout(root: folder)
        self.files = files
        self.logger = logger
    }

    /// A pack that is whole, without the open file: there may be more of them than a process may open.
    private struct Pack {
        var digest: Digest
        var bytes: Int
        var index: PackIndex
        /// Those that it brings, whole or lost.
        var trees: [Digest] { index.manifests.map(\.digest) + index.lost.manifests.map(\.digest) }
    }

    /// Reads every pack, checks it, and puts a new catalogue in the old one's place.
    ///
    /// - Throws: ``StoreOpenError`` if a server has the store, or there is none.
    public func run(progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }) throws -> Report {
        guard access(layout.packs, F_OK) == 0 else {
            throw StoreOpenError(
                description: "\(layout.root) is no store: there is no folder packs in it. Name another.")
        }
        let lock = try StoreLock.prepare(layout, files: files)
        defer { withExtendedLifetime(lock) {} }
        var report = Report()
        let (packs, replaced) = try readPacks(&report, progress)
        let staged = layout.stagingFile("catalogue")
        try fill(staged, Self.ancestorsFirst(packs), replaced: replaced, &report)
        // From here to the rename there is no catalogue, and a server refuses the folder. With the old one and without its
        // journal it would take the newest packs for uploads that were never acknowledged, and a journal without its
        // catalogue would be taken for the new one's.
        for suffix in ["", "-wal", "-shm"] { try files.remove(layout.catalogue + suffix) }
        try files.syncDirectory(layout.root)
        try files.rename(staged, to: layout.catalogue)
        try files.syncDirectory(layout.root)
        return report
    }

    /// - Returns: the packs that are whole, and those that are there still though others have taken their place.
    private func readPacks(
        _ report: inout Report, _ progress: (Int, Int) -> Void
    ) throws -> (packs: [Pack], replaced: [Digest]) {
        var packs: [Pack] = []
        let names = try FolderListing.names(in: layout.packs).sorted()
        for (position, name) in names.enumerated() {
            progress(position, names.count)
            guard name.hasSuffix(".khpack"), let digest = Digest(name.dropLast(".khpack".count)) else { continue }
            if let pack = try PackReader.unlessDamaged({ try readPack(digest) }) ?? nil {
                packs.append(pack)
            } else {
                logger.error("a pack is damaged", metadata: ["pack": "\(digest)"])
                report.damagedPacks.append(digest)
            }
        }
        var replaced = Set(packs.flatMap { $0.index.replaced ?? [] })
        if access(layout.catalogue, F_OK) == 0, let old = try? Catalogue(path: layout.catalogue) {
            replaced.formUnion((try? old.pool.read { try old.retiredPacks($0) }) ?? [])
            try? old.close()
        }
        let there = Set(packs.map(\.digest)).union(report.damagedPacks).intersection(replaced)
        report.damagedPacks.removeAll { there.contains($0) }
        return (packs.filter { !there.contains($0.digest) }, Array(there))
    }

    /// Nil if its bytes no longer have its digest.
    private func readPack(_ digest: Digest) throws -> Pack? {
        let reader = try PackReader(digest, layout: layout)
        guard try reader.isIntact() else { return nil }
        return Pack(digest: digest, bytes: reader.length, index: try reader.readIndex())
    }

    private func fill(_ path: String, _ packs: [Pack], replaced: [Digest], _ report: inout Report) throws {
        let catalogue = try Catalogue(path: path)
        let purged = takeOver(into: catalogue)
        try catalogue.write { database in
            for pack in packs {
                do {
                    try database.inSavepoint {
                        try catalogue.insert(pack: pack.digest, bytes: pack.bytes, index: pack.index, database)
                        try catalogue.insert(lostManifests: pack.index.lost.manifests, ofPack: pack.digest, database)
                        for kernel in pack.index.kernels { try insert(kernel, catalogue, database) }
                        return .commit
                    }
                    report.packs += 1
                } catch let error where Self.isUnfit(error) {
                    logger.error("a pack can't be used", metadata: ["pack": "\(pack.digest)", "error": "\(error)"])
                    report.unusedPacks.append(pack.digest)
                }
            }
            // They stay where they are until somebody restores what they lack: most of their contents may be good.
            for digest in report.damagedPacks + report.unusedPacks {
                try catalogue.insert(pack: digest, bytes: 0, index: PackIndex(), database)
            }
            for pack in packs {
                try catalogue.insert(lostBlobs: pack.index.lost.blobs, ofPack: pack.digest, database)
            }
            // Their files go at the next start.
            for digest in replaced {
                _ = try catalogue.insertRow(ofPack: digest, bytes: 0, blobs: [], isTight: false, database)
                try catalogue.retire(pack: digest, database)
            }
        }
        if packs.contains(where: { !$0.index.lost.isEmpty }) {
            try Damage(catalogue: catalogue, content: ContentReader(catalogue: catalogue, layout: layout)).reviewAll()
        }
        finish(catalogue, purged)
        (report.kernels, report.hosts) = try catalogue.pool.read { database in
            (
                try Int.fetchOne(database, sql: "SELECT count(*) FROM kernel") ?? 0,
                try Int.fetchOne(database, sql: "SELECT count(*) FROM host") ?? 0
            )
        }
        try catalogue.close()
        for suffix in ["-wal", "-shm"] { try files.remove(path + suffix) }
    }

    /// A kernel that was purged and uploaded again is in two packs, and the later counts.
    private func insert(_ kernel: KernelRecord, _ catalogue: Catalogue, _ database: Database) throws {
        let id = kernel.identity.buildID
        if let known = try Int.fetchOne(
            database, sql: "SELECT firstSeen FROM kernel WHERE buildID = ?", arguments: [id])
        {
            guard known < kernel.firstSeen else { return }
            try database.execute(sql: "DELETE FROM kernel WHERE buildID = ?", arguments: [id])
        }
        try catalogue.insert(kernel, database)
    }

    /// A kernel that was deleted, and may be in a pack still.
    private struct Purged {
        var id: BuildID
        var time: Int
        var reason: String?
    }

    /// Takes over what the packs do not have: before they are read, as what is in them counts for more.
    ///
    /// - Returns: the kernels that are to be deleted again then; nil if nothing could be taken over.
    private func takeOver(into catalogue: Catalogue) -> [Purged]? {
        // SQLite would make it.
        guard access(layout.catalogue, F_OK) == 0 else { return nil }
        do {
            // It may be one of an older version.
            try Catalogue(path: layout.catalogue).close()
            return try withOld(catalogue) { database in
                // PCHs themselves are derived: they go, and are made again when they are asked for.
                let tables = [
                    "sighted", "report", "finding", "host", "opinion", "otherDigest", "conflict", "smoke", "pchDemand",
                    "pchDocument", "upkeep",
                ]
                for table in tables
                where try Bool.fetchOne(
                    database, sql: "SELECT count(*) FROM old.sqlite_master WHERE name = ?", arguments: [table]) ?? false
                {
                    try database.execute(sql: "INSERT INTO main.\(table) SELECT * FROM old.\(table)")
                }
                try database.execute(sql: "UPDATE main.sighted SET trust = NULL, pch = 0, damage = 0")
                return try Row.fetchAll(
                    database, sql: "SELECT buildID, purgedAt, purgeReason FROM main.sighted WHERE purgedAt IS NOT NULL"
                ).map { Purged(id: $0["buildID"], time: $0["purgedAt"], reason: $0["purgeReason"]) }
            }
        } catch {
            logger.warning(
                "the old catalogue can't be read; its hosts and conflicts are lost", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// What the old catalogue knew of kernels that are there again.
    private func finish(_ catalogue: Catalogue, _ purged: [Purged]?) {
        guard let purged else { return }
        do {
            try withOld(catalogue) { database in
                try database.execute(
                    sql: """
                        UPDATE main.kernel SET source = ? WHERE source = ?
                            AND buildID IN (SELECT buildID FROM old.kernel WHERE source = ?);
                        UPDATE main.kernel SET lastSeen = max(lastSeen, coalesce(
                            (SELECT lastSeen FROM old.kernel WHERE old.kernel.buildID = main.kernel.buildID), 0));
                        UPDATE main.pack SET tight = 1 WHERE digest IN (SELECT digest FROM old.pack WHERE tight)
                        """,
                    arguments: [
                        HeaderSource.agreed.rawValue, HeaderSource.agent.rawValue, HeaderSource.agreed.rawValue,
                    ])
                // Nobody ever ran them, and what the store had of them is lost.
                try database.execute(
                    sql: """
                        DELETE FROM main.sighted WHERE trust IS NULL AND btf = 0 AND hosts = 0 AND pinnedAt IS NULL
                            AND purgedAt IS NULL AND buildID IN (SELECT buildID FROM old.kernel)
                        """)
                for kernel in purged {
                    // One that came later was uploaded again, and the old catalogue is older than that.
                    try database.execute(
                        sql: "DELETE FROM main.kernel WHERE buildID = ? AND firstSeen <= ?",
                        arguments: [kernel.id, kernel.time])
                    try database.execute(
                        sql: """
                            UPDATE main.sighted SET purgedAt = ?, purgeReason = ?
                            WHERE buildID = ? AND NOT EXISTS (SELECT 1 FROM main.kernel WHERE kernel.buildID = sighted.buildID)
                            """, arguments: [kernel.time, kernel.reason, kernel.id])
                }
            }
        } catch {
            logger.warning(
                "the old catalogue's kernels can't be read: whom hosts agree on has to be said again",
                metadata: ["error": "\(error)"])
        }
    }

    /// Runs a transaction of the new catalogue, with the old one beside it.
    private func withOld<Value>(_ catalogue: Catalogue, _ body: (Database) throws -> Value) throws -> Value {
        try catalogue.pool.writeWithoutTransaction { database in
            try database.execute(sql: "ATTACH DATABASE ? AS old", arguments: [layout.catalogue])
            defer { try? database.execute(sql: "DETACH DATABASE old") }
            var value: Value?
            try database.inTransaction {
                value = try body(database)
                return .commit
            }
            guard let value else { throw DatabaseError(resultCode: .SQLITE_INTERNAL) }
            return value
        }
    }

    /// Whether an error says that a pack does not fit the others: what it holds is there, or its ancestor is not.
    private static func isUnfit(_ error: any Error) -> Bool {
        if let error = error as? DatabaseError { return error.resultCode == .SQLITE_CONSTRAINT }
        return (error as? Problem)?.code == .storeDamaged
    }

    /// In the order in which the blobs came: a tree's parent came before it, and so did the tree of a kernel without blobs.
    private static func ancestorsFirst(_ packs: [Pack]) -> [Pack] {
        let packs = packs.sorted { ($0.index.blobs.first?.number ?? .max) < ($1.index.blobs.first?.number ?? .max) }
        var known: Set<Digest> = []
        var ordered: [Pack] = []
        // Those that lack trees: how many, and who waits for each.
        var lacking: [Int: Int] = [:]
        var waiting: [Digest: [Int]] = [:]
        for (position, pack) in packs.enumerated() {
            let needed = Set(pack.index.manifests.compactMap(\.parent) + pack.index.kernels.map(\.treeDigest))
            let missing = needed.subtracting(known).subtracting(pack.trees)
            for tree in missing { waiting[tree, default: []].append(position) }
            lacking[position] = missing.count
            var ready = missing.isEmpty ? [position] : []
            while let next = ready.popLast() {
                lacking[next] = nil
                ordered.append(packs[next])
                for tree in packs[next].trees where known.insert(tree).inserted {
                    for other in waiting.removeValue(forKey: tree) ?? [] {
                        lacking[other, default: 0] -= 1
                        if lacking[other] == 0 { ready.append(other) }
                    }
                }
            }
        }
        // What is left lacks an ancestor; inserting it says which.
        return ordered + lacking.keys.sorted().map { packs[$0] }
    }
}
