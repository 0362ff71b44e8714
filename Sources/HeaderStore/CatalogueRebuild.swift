internal import GRDB
internal import Glibc
internal import HeaderArchive
public import KernelHeaders
public import Logging

/// Makes a store's catalogue again from its packs (promise 9): kernels, trees and blobs.
///
/// What only the catalogue knew, hosts and their reports, opinions, conflicts, the times of the last uploads, smoke compiles and what
/// clients asked for, is taken over from the old one as far as that can still be read, all of it or nothing. Without it, hosts that report again are
/// known again, and what hosts had agreed on is one host's word until they have said so again.
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
            let reader = try PackReader(digest, layout: layout)
            if try reader.isIntact() {
                packs.append(Pack(digest: digest, bytes: reader.length, index: try reader.readIndex()))
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

    private func fill(_ path: String, _ packs: [Pack], replaced: [Digest], _ report: inout Report) throws {
        let catalogue = try Catalogue(path: path)
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
                    report.kernels += pack.index.kernels.count
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
                _ = try catalogue.insertRow(ofPack: digest, bytes: 0, blobs: 0, database)
                try catalogue.retire(pack: digest, database)
            }
        }
        if packs.contains(where: { !$0.index.lost.isEmpty }) {
            try Damage(catalogue: catalogue, content: ContentReader(catalogue: catalogue, layout: layout)).reviewAll()
        }
        report.hosts = takeOver(into: catalogue)
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

    /// Takes over what the packs do not have.
    ///
    /// - Returns: how many hosts.
    private func takeOver(into catalogue: Catalogue) -> Int {
        // SQLite would make it.
        guard access(layout.catalogue, F_OK) == 0 else { return 0 }
        do {
            return try catalogue.pool.writeWithoutTransaction { database in
                try database.execute(sql: "ATTACH DATABASE ? AS old", arguments: [layout.catalogue])
                defer { try? database.execute(sql: "DETACH DATABASE old") }
                try database.inTransaction {
                    let tables = ["sighted", "report", "finding", "host", "opinion", "otherDigest", "conflict"]
                    // PCHs themselves are derived: they go, and are made again when they are asked for.
                    let newer: [String] = try ["smoke", "pchDemand", "pchDocument", "upkeep"].filter { table in
                        try Bool.fetchOne(
                            database, sql: "SELECT count(*) FROM old.sqlite_master WHERE name = ?", arguments: [table])
                            ?? false
                    }
                    for table in tables + newer {
                        try database.execute(sql: "INSERT INTO main.\(table) SELECT * FROM old.\(table)")
                    }
                    try database.execute(
                        sql: """
                            UPDATE main.kernel SET source = ? WHERE source = ?
                                AND buildID IN (SELECT buildID FROM old.kernel WHERE source = ?);
                            UPDATE main.kernel SET lastSeen = max(lastSeen, coalesce(
                                (SELECT lastSeen FROM old.kernel WHERE old.kernel.buildID = main.kernel.buildID), 0))
                            """,
                        arguments: [
                            HeaderSource.agreed.rawValue, HeaderSource.agent.rawValue, HeaderSource.agreed.rawValue,
                        ])
                    return .commit
                }
                return try Int.fetchOne(database, sql: "SELECT count(*) FROM host") ?? 0
            }
        } catch {
            logger.warning(
                "the old catalogue can't be read; its hosts and conflicts are lost", metadata: ["error": "\(error)"])
            return 0
        }
    }

    /// Whether an error says that a pack does not fit the others: what it holds is there, or its ancestor is not.
    private static func isUnfit(_ error: any Error) -> Bool {
        if let error = error as? DatabaseError { return error.resultCode == .SQLITE_CONSTRAINT }
        return (error as? Problem)?.code == .storeDamaged
    }

    /// In the order in which the blobs came: a tree's parent came before it, and so did the tree of a kernel without blobs.
    private static func ancestorsFirst(_ packs: [Pack]) -> [Pack] {
        var waiting = packs.sorted { ($0.index.blobs.first?.number ?? .max) < ($1.index.blobs.first?.number ?? .max) }
        var known: Set<Digest> = []
        var ordered: [Pack] = []
        while let next = waiting.firstIndex(where: { pack in
            let own = Set(pack.index.manifests.map(\.digest) + pack.index.lost.manifests.map(\.digest))
            return pack.index.manifests.allSatisfy { $0.parent.map { known.contains($0) || own.contains($0) } ?? true }
                && pack.index.kernels.allSatisfy { known.contains($0.treeDigest) || own.contains($0.treeDigest) }
        }) {
            let pack = waiting.remove(at: next)
            known.formUnion(pack.index.manifests.map(\.digest) + pack.index.lost.manifests.map(\.digest))
            ordered.append(pack)
        }
        // What is left lacks an ancestor; inserting it says which.
        return ordered + waiting
    }
}
