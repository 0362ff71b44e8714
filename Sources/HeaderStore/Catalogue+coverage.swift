internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// What the fleet runs, and what the store lacks of it.
extension Catalogue {
    /// - Parameters:
    ///   - limit: gaps, releases and conflicts each.
    ///   - btf: the digest of the BTF that the store has of a kernel.
    func coverage(at time: Int, limit: Int, btf: (BuildID) -> Digest?, _ database: Database) throws -> Coverage {
        // Or there is none to be had.
        let btfIsThere = "btf OR NOT btfLost AND NOT coalesce(sighted.hasBTF, 1)"
        // Damaged ones are there, and can't be had.
        let headersAreThere = "trust IS NOT NULL AND damage = 0"
        let gap = "(NOT (\(headersAreThere)) OR NOT (\(btfIsThere)))"
        let sums = try Row.fetchOne(
            database,
            sql: """
                SELECT count(*) AS kernels, total(\(headersAreThere)) AS headers,
                    total(\(btfIsThere)) AS btf,
                    total(pch) AS pch, total(hosts) AS hosts, total(hosts * (\(headersAreThere))) AS headersHosts,
                    total(hosts * (\(btfIsThere))) AS btfHosts, total(hosts * pch) AS pchHosts, total(\(gap)) AS gaps
                FROM sighted INDEXED BY sighted_hosts WHERE hosts > 0
                """)
        func sum(_ name: String) -> Int { Int((sums?[name] as Double?) ?? 0) }
        let gaps = try KernelRow.fetchAll(
            database,
            sql: """
                \(KernelRow.query(index: "sighted_hosts")) WHERE hosts > 0 AND \(gap)
                ORDER BY hosts DESC, sighted.buildID DESC LIMIT ?
                """, arguments: [limit]
        ).map { row in
            let damaged = row.entry.damaged
            let lacksHeaders = row.entry.headers == nil || damaged.contains(.headers)
            let lacksBTF = !row.hasBTFHere && (damaged.contains(.btf) || row.entry.identity.hasBTF != false)
            return Coverage.Gap(
                kernel: row.entry, lacks: (lacksHeaders ? [.headers] : []) + (lacksBTF ? [.btf] : []),
                reports: try reports(of: row.entry.identity.buildID, limit: KernelDetail.maximumReports, database))
        }
        let releases = try ambiguousReleases(database)
        return Coverage(
            time: time,
            kernels: .init(
                all: sums?["kernels"] ?? 0, headers: sum("headers"), btf: sum("btf"), pch: sum("pch")),
            hosts: .init(
                all: sum("hosts"), headers: sum("headersHosts"), btf: sum("btfHosts"), pch: sum("pchHosts")),
            gaps: gaps, gapCount: sum("gaps"),
            releases: try releases.prefix(limit).map { release, count in
                .init(release: release, count: count, builds: try builds(of: release, database))
            }, releaseCount: releases.count,
            conflicts: try conflicts(after: nil, limit: limit, btf: btf, database),
            conflictCount: try Int.fetchOne(
                database, sql: "SELECT count(*) FROM sighted INDEXED BY sighted_conflict WHERE conflicts > 0") ?? 0)
    }

    /// Releases of which several builds run, and how many. First those with several builds at all, which one index tells.
    private func ambiguousReleases(_ database: Database) throws -> [(String, Int)] {
        try Row.fetchAll(
            database,
            sql: """
                WITH several AS MATERIALIZED (
                    SELECT release FROM sighted INDEXED BY sighted_release WHERE release > '' GROUP BY release
                    HAVING count(*) > 1)
                SELECT several.release, count(*) AS builds FROM several CROSS JOIN sighted INDEXED BY sighted_release
                    ON sighted.release = several.release
                WHERE hosts > 0 GROUP BY several.release HAVING count(*) > 1 ORDER BY several.release
                """
        ).map { ($0["release"], $0["builds"]) }
    }

    private func builds(of release: String, _ database: Database) throws -> [Coverage.AmbiguousRelease.Build] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT buildID, versionLine, hosts, trust IS NOT NULL AS hasHeaders
                FROM sighted INDEXED BY sighted_release WHERE release = ? AND hosts > 0 ORDER BY buildID LIMIT ?
                """, arguments: [release, Coverage.maximumBuilds]
        ).map { row in
            .init(
                buildID: row["buildID"], versionLine: row["versionLine"], hosts: row["hosts"],
                hasHeaders: row["hasHeaders"])
        }
    }
}
