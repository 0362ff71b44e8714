internal import GRDB
internal import KernelHeaders

/// A kernel's row with its tree's figures.
struct KernelRow: FetchableRecord, Sendable {
    var summary: KernelSummary
    var archiveDigest: Digest

    init(row: Row) throws {
        let release: String = row["release"]
        let architecture: String? = row["architecture"]
        summary = KernelSummary(
            identity: KernelIdentity(
                buildID: row["buildID"], release: release.isEmpty ? nil : release, versionLine: row["versionLine"],
                architecture: architecture.map { Architecture(machine: $0) }, hasBTF: row["hasBTF"]),
            source: HeaderSource(rawValue: row["source"]) ?? .unknown, treeDigest: row["treeDigest"],
            files: row["files"], bytes: row["bytes"], firstSeen: row["firstSeen"], lastSeen: row["lastSeen"],
            conflicts: row["conflicts"], hosts: row["hosts"], smoke: Self.smoke(row))
        archiveDigest = row["archiveDigest"]
    }

    private static func smoke(_ row: Row) -> SmokeResult {
        guard let text: String = row["smokeState"], let state = SmokeResult.State(rawValue: text) else {
            return SmokeResult(state: .untried)
        }
        return SmokeResult(
            state: state, compiler: row["smokeCompiler"], detail: row["smokeDetail"], time: row["smokeTime"])
    }

    static let query = """
        SELECT kernel.buildID, kernel.release, kernel.versionLine, kernel.architecture,
            coalesce(kernel.hasBTF, sighted.hasBTF) AS hasBTF, source, archiveDigest,
            min(kernel.firstSeen, coalesce(sighted.firstSeen, kernel.firstSeen)) AS firstSeen,
            max(kernel.lastSeen, coalesce(sighted.lastSeen, kernel.lastSeen)) AS lastSeen,
            tree.digest AS treeDigest, files, bytes, coalesce(hosts, 0) AS hosts,
            smoke.state AS smokeState, smoke.compiler AS smokeCompiler, smoke.detail AS smokeDetail,
            smoke.time AS smokeTime,
            (SELECT count(*) FROM conflict WHERE conflict.buildID = kernel.buildID)
                + (SELECT count(*) FROM otherDigest WHERE otherDigest.buildID = kernel.buildID) AS conflicts
        FROM kernel JOIN tree ON tree.id = kernel.tree LEFT JOIN sighted ON sighted.buildID = kernel.buildID
            LEFT JOIN smoke ON smoke.treeDigest = tree.digest
        """
}

/// Kernels and conflicts.
extension Catalogue {
    func kernel(_ id: BuildID, _ database: Database) throws -> KernelRow? {
        try KernelRow.fetchOne(database, sql: KernelRow.query + " WHERE kernel.buildID = ?", arguments: [id])
    }

    /// Kernels in the order of release and build ID, after the one given.
    ///
    /// - Parameters:
    ///   - release: only those with it; nil for all.
    ///   - pattern: only those whose `/lib/modules/RELEASE/build` matches it; nil for all.
    func kernels(
        release: String?, headersFolder pattern: String?, after last: (release: String, id: BuildID)?, limit: Int,
        _ database: Database
    ) throws -> [KernelRow] {
        var conditions: [String] = []
        var arguments = StatementArguments()
        if let release {
            conditions.append("kernel.release = ?")
            arguments += [release]
        }
        if let pattern {
            conditions.append("kernel.release != '' AND '/lib/modules/' || kernel.release || '/build' GLOB ?")
            arguments += [pattern]
        }
        if let last {
            conditions.append("(kernel.release, kernel.buildID) > (?, ?)")
            arguments += [last.release, last.id]
        }
        let condition = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        return try KernelRow.fetchAll(
            database, sql: KernelRow.query + condition + " ORDER BY kernel.release, kernel.buildID LIMIT ?",
            arguments: arguments + [limit])
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
        func count(_ sql: String) throws -> Int { try Int.fetchOne(database, sql: "SELECT \(sql)") ?? 0 }
        var status = StoreStatus(
            kernels: try count("count(*) FROM kernel"), trees: try count("count(*) FROM tree"),
            conflicts: try count("(SELECT count(*) FROM conflict) + (SELECT count(*) FROM otherDigest)"),
            blobs: try count("count(*) FROM blob"),
            files: try count("coalesce(sum(files), 0) FROM kernel JOIN tree ON tree.id = kernel.tree"),
            rawBytes: try count("coalesce(sum(bytes), 0) FROM kernel JOIN tree ON tree.id = kernel.tree"),
            blobBytes: try count("coalesce(sum(length), 0) FROM blob"),
            packs: try count("count(*) FROM pack WHERE NOT retired"),
            packBytes: try count("coalesce(sum(bytes), 0) FROM pack WHERE NOT retired"), catalogueBytes: 0,
            bundleBytes: 0,
            // Each host is counted at one kernel; there are far fewer kernels than hosts.
            hosts: try count("coalesce(sum(hosts), 0) FROM sighted"))
        status.deadTrees = try count("count(*) FROM tree WHERE id NOT IN (SELECT tree FROM kernel)")
        status.lostBlobs = try count("count(*) FROM blob WHERE damaged")
        status.damagedKernels = try count("count(*) FROM kernel JOIN tree ON tree.id = kernel.tree WHERE damaged")
        return status
    }
}
