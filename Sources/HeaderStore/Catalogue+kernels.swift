internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// What is known of a kernel, without its BTF.
struct KernelRow: FetchableRecord, Sendable {
    var entry: KernelEntry
    /// Whether the store is said to have the BTF.
    var hasBTFHere: Bool

    init(row: Row) throws {
        let release: String = row["release"]
        let architecture: String? = row["architecture"]
        let headers = (row["treeDigest"] as Digest?).map { tree in
            KernelEntry.Headers(
                source: HeaderSource(rawValue: row["source"]) ?? .unknown, treeDigest: tree, files: row["files"],
                bytes: row["bytes"])
        }
        entry = KernelEntry(
            identity: KernelIdentity(
                buildID: row["buildID"], release: release.isEmpty ? nil : release, versionLine: row["versionLine"],
                architecture: architecture.map { Architecture(machine: $0) }, hasBTF: row["hasBTF"]),
            distribution: row["distribution"], headers: headers, hasPCH: row["pch"], firstSeen: row["firstSeen"],
            lastSeen: row["lastSeen"], hosts: row["hosts"], conflicts: row["conflicts"],
            smoke: headers == nil ? nil : Self.smoke(row), pin: Self.mark(row["pinnedAt"], row["pinReason"]),
            purge: Self.mark(row["purgedAt"], row["purgeReason"]),
            damaged: (row["damage"] > 0 ? [.headers] : []) + (row["btfLost"] ? [.btf] : []))
        hasBTFHere = row["btf"]
    }

    private static func mark(_ time: Int?, _ reason: String?) -> KernelMark? {
        time.map { KernelMark(time: $0, reason: reason) }
    }

    private static func smoke(_ row: Row) -> SmokeResult {
        guard let text: String = row["smokeState"], let state = SmokeResult.State(rawValue: text) else {
            return SmokeResult(state: .untried)
        }
        return SmokeResult(
            state: state, compiler: row["smokeCompiler"], detail: row["smokeDetail"], time: row["smokeTime"])
    }

    /// - Parameter index: of `sighted`, by which it is to be read.
    static func query(index: String? = nil) -> String {
        """
        SELECT sighted.buildID, sighted.release, sighted.versionLine, sighted.architecture, sighted.hasBTF, distribution,
            sighted.firstSeen, sighted.lastSeen, hosts, btf, pch, conflicts, pinnedAt, pinReason, purgedAt, purgeReason,
            damage, btfLost, kernel.source, tree.digest AS treeDigest, files, bytes, smoke.state AS smokeState,
            smoke.compiler AS smokeCompiler, smoke.detail AS smokeDetail, smoke.time AS smokeTime
        FROM sighted \(index.map { "INDEXED BY \($0)" } ?? "") LEFT JOIN kernel ON kernel.buildID = sighted.buildID
            LEFT JOIN tree ON tree.id = kernel.tree LEFT JOIN smoke ON smoke.treeDigest = tree.digest
        """
    }
}

/// A kernel's headers, as an upload of the same kernel is held against them.
struct HeldKernel: Sendable {
    var summary: KernelSummary
    var archiveDigest: Digest
}

/// Kernels and conflicts.
extension Catalogue {
    /// Nil if nothing is known of it.
    func kernel(_ id: BuildID, _ database: Database) throws -> KernelRow? {
        try KernelRow.fetchOne(database, sql: KernelRow.query() + " WHERE sighted.buildID = ?", arguments: [id])
    }

    /// The trees of pinned kernels, and of those that came last: what is derived of them goes last.
    ///
    /// - Parameter newest: how many of those that came last, headers and all.
    func lastingTrees(newest: Int, _ database: Database) throws -> Set<Digest> {
        try Digest.fetchSet(
            database,
            sql: """
                SELECT tree.digest FROM sighted JOIN kernel ON kernel.buildID = sighted.buildID
                    JOIN tree ON tree.id = kernel.tree
                WHERE pinnedAt IS NOT NULL OR sighted.id IN (
                    SELECT id FROM sighted INDEXED BY sighted_firstSeen WHERE trust IS NOT NULL
                    ORDER BY firstSeen DESC, buildID DESC LIMIT ?)
                """, arguments: [newest])
    }

    /// Nil if there are no headers of it.
    func held(_ id: BuildID, _ database: Database) throws -> HeldKernel? {
        guard let summary = try kernel(id, database)?.entry.summary,
            let digest = try Digest.fetchOne(
                database, sql: "SELECT archiveDigest FROM kernel WHERE buildID = ?", arguments: [id])
        else { return nil }
        return HeldKernel(summary: summary, archiveDigest: digest)
    }

    /// - Throws: `Problem` with `store-damaged` if the tree is not known.
    func insert(_ kernel: KernelRecord, _ database: Database) throws {
        guard let tree = try tree(kernel.treeDigest, database) else {
            throw Problem(
                .storeDamaged, "The pack with the manifest of tree \(kernel.treeDigest) is missing. Restore it.")
        }
        let identity = kernel.identity
        try database.execute(
            sql: """
                INSERT INTO kernel (buildID, release, versionLine, architecture, hasBTF, source, tree, archiveDigest, firstSeen,
                    lastSeen, origin, uploader) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                identity.buildID, identity.release ?? "", identity.versionLine, identity.architecture?.machine,
                identity.hasBTF, kernel.source.rawValue, tree.id, kernel.archiveDigest, kernel.firstSeen,
                kernel.firstSeen, kernel.origin?.rawValue, kernel.uploader,
            ])
        // A trigger has entered it.
        let distribution = KernelDistribution.name(release: identity.release, versionLine: identity.versionLine)
        try database.execute(
            sql: "UPDATE sighted SET distribution = coalesce(?, distribution) WHERE buildID = ?",
            arguments: [distribution, identity.buildID])
    }

    /// Notes that the kernel was reported again.
    func sighted(_ id: BuildID, at seconds: Int, _ database: Database) throws {
        try database.execute(
            sql: "UPDATE kernel SET lastSeen = max(lastSeen, ?) WHERE buildID = ?", arguments: [seconds, id])
    }

    /// Notes that another tree was posted for a kernel.
    func conflicted(
        _ id: BuildID, tree: Digest, source: HeaderSource, host: HostID?, at seconds: Int, _ database: Database
    ) throws {
        try database.execute(
            sql: """
                INSERT INTO conflict (buildID, treeDigest, source, firstSeen, lastSeen, uploads, host)
                VALUES (?, ?, ?, ?, ?, 1, ?)
                ON CONFLICT DO UPDATE SET lastSeen = excluded.lastSeen, uploads = uploads + 1, host = excluded.host
                """, arguments: [id, tree, source.rawValue, seconds, seconds, host])
    }

    /// The counts and sums of the store's status; the sizes of files are not in it.
    func status(_ database: Database) throws -> StoreStatus {
        guard let row = try Row.fetchOne(try database.cachedStatement(sql: StoreTotals.query)) else {
            throw Problem(.storeDamaged, "The catalogue lacks its totals. Stop the server and run kheaderd rebuild.")
        }
        var status = StoreStatus(
            kernels: row["kernels"], trees: row["trees"], conflicts: row["conflicts"], blobs: row["blobs"],
            files: row["files"], rawBytes: row["rawBytes"], blobBytes: row["blobBytes"], packs: row["packs"],
            packBytes: row["packBytes"], catalogueBytes: 0, bundleBytes: 0, hosts: row["hosts"])
        status.deadTrees = row["deadTrees"]
        status.lostBlobs = row["lostBlobs"]
        status.damagedKernels = row["damagedKernels"]
        status.lostBTF = row["lostBTF"]
        (status.loosePacks, status.loosePackBytes) = (row["loosePacks"], row["loosePackBytes"])
        return status
    }
}
