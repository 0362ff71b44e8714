internal import FoundationEssentials
internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// Kernels of which hosts have other contents than the store, or others sent another tree.
extension Catalogue {
    /// Kernels with conflicts, in the order of the build ID.
    static func conflicting(after last: BuildID?, limit: Int) -> Query {
        Query(
            sql: """
                SELECT buildID, release FROM sighted INDEXED BY sighted_conflict WHERE conflicts > 0 AND buildID > ?
                ORDER BY buildID LIMIT ?
                """, arguments: [last?.databaseValue ?? Data().databaseValue, limit])
    }

    /// - Parameter btf: the digest of the BTF that the store has of a kernel.
    func conflicts(
        after last: BuildID?, limit: Int, btf: (BuildID) -> Digest?, _ database: Database
    ) throws -> [KernelConflict] {
        let query = Self.conflicting(after: last, limit: limit)
        return try Row.fetchAll(database, sql: query.sql, arguments: query.arguments).map { row in
            let id: BuildID = row["buildID"]
            let release: String = row["release"]
            return KernelConflict(
                buildID: id, release: release.isEmpty ? nil : release,
                sides: try sides(of: id, btf: btf(id), database))
        }
    }

    /// What the store has of a kernel, and what others have.
    func sides(of id: BuildID, btf: Digest?, _ database: Database) throws -> [KernelConflict.Side] {
        var others = try Row.fetchAll(
            database,
            sql: """
                SELECT artefact, digest, hosts, firstSeen, lastSeen FROM otherDigest WHERE buildID = ?
                ORDER BY artefact DESC, firstSeen, digest LIMIT ?
                """, arguments: [id, KernelConflict.maximumSides]
        ).map { row in
            let artefact = Artefact(rawValue: row["artefact"]) ?? .headers
            let digest: Digest = row["digest"]
            return KernelConflict.Side(
                artefact: artefact, digest: digest, isServed: false, hosts: row["hosts"],
                hostIDs: try hosts(thatHave: digest, of: id, artefact, database), firstSeen: row["firstSeen"],
                lastSeen: row["lastSeen"])
        }
        others += try Row.fetchAll(
            database,
            sql: """
                SELECT treeDigest, source, host, firstSeen, lastSeen FROM conflict WHERE buildID = ?
                ORDER BY firstSeen, treeDigest LIMIT ?
                """, arguments: [id, KernelConflict.maximumSides]
        ).map { row in
            let host: HostID? = row["host"]
            return KernelConflict.Side(
                artefact: .headers, digest: nil, treeDigest: row["treeDigest"],
                source: HeaderSource(rawValue: row["source"]) ?? .unknown, isServed: false, hosts: host == nil ? 0 : 1,
                hostIDs: host.map { [$0] } ?? [], firstSeen: row["firstSeen"], lastSeen: row["lastSeen"])
        }
        let served = try Artefact.allCases.filter { artefact in others.contains { $0.artefact == artefact } }
            .compactMap { try servedSide($0, of: id, btf: btf, database) }
        return served + others.prefix(KernelConflict.maximumSides - served.count)
    }

    private func servedSide(
        _ artefact: Artefact, of id: BuildID, btf: Digest?, _ database: Database
    ) throws -> KernelConflict.Side? {
        guard let kernel = try kernel(id, database)?.entry else { return nil }
        var side = KernelConflict.Side(
            artefact: artefact, digest: btf, isServed: true, hosts: 0, hostIDs: [], firstSeen: kernel.firstSeen,
            lastSeen: kernel.lastSeen)
        if artefact == .headers {
            guard let headers = kernel.headers,
                let row = try Row.fetchOne(
                    database, sql: "SELECT archiveDigest, uploader FROM kernel WHERE buildID = ?", arguments: [id])
            else { return nil }
            side.digest = row["archiveDigest"]
            side.treeDigest = headers.treeDigest
            side.source = headers.source
            side.hostIDs = (row["uploader"] as HostID?).map { [$0] } ?? []
        }
        guard let digest = side.digest else { return nil }
        let uploader = side.hostIDs
        side.hostIDs += try hosts(thatHave: digest, of: id, artefact, database).filter { !uploader.contains($0) }
            .prefix(KernelConflict.maximumHosts - uploader.count)
        // Few hosts are asked whether they agree.
        side.hosts =
            uploader.count
            + (try Int.fetchOne(
                database,
                sql: """
                    SELECT count(*) FROM opinion INDEXED BY opinion_digest
                    WHERE buildID = ? AND digest = ? AND artefact = ? AND host IS NOT ?
                    """, arguments: [id, digest, artefact.rawValue, uploader.first]) ?? 0)
        return side
    }

    private func hosts(
        thatHave digest: Digest, of id: BuildID, _ artefact: Artefact, _ database: Database
    ) throws -> [HostID] {
        try HostID.fetchAll(
            database,
            sql: """
                SELECT host FROM opinion INDEXED BY opinion_digest
                WHERE buildID = ? AND digest = ? AND artefact = ? ORDER BY host LIMIT ?
                """, arguments: [id, digest, artefact.rawValue, KernelConflict.maximumHosts])
    }
}
