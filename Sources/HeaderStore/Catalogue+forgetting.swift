internal import GRDB
internal import KernelHeaders

/// Hosts that are not seen any more, and what only they said, are not remembered for ever; nor are more of them, and of
/// anything that a host can invent, than there is room for. A host that was forgotten is new when it comes again.
extension Catalogue {
    /// What is on record no more.
    struct Forgotten: Sendable {
        var hosts: [HostID] = []
        var kernels = 0
        /// Kernels of whose headers or BTF fewer hosts have a say.
        var changed: Set<BuildID> = []
    }

    /// A kernel of which there are hosts' reports and nothing else, in the words of the index `sighted_bare`: stores that have
    /// this one must get another if it changes.
    static let isBare = isBare("")

    private static func isBare(_ row: String) -> String {
        ["trust IS NULL", "btf = 0", "btfLost = 0", "conflicts = 0", "pinnedAt IS NULL", "purgedAt IS NULL"]
            .map { row + $0 }.joined(separator: " AND ")
    }

    /// Keeps `bareTotal`: to count them takes a look at each.
    private static func countBare(_ event: String, _ condition: String, _ change: String) -> String {
        """
        CREATE TRIGGER bare_\(event.prefix(6).lowercased()) AFTER \(event) ON sighted WHEN \(condition) BEGIN
            UPDATE bareTotal SET kernels = kernels \(change);
        END;
        """
    }

    /// Things that one host may have said, with its digest, of what the store has: of the kernels that it ran lately.
    static let maximumOpinionsOfHost = 64

    /// Since migration 10. `hostShare` is kept by triggers, too: hosts are too many to be counted for each new one. Nothing
    /// that a check-in of a known kernel changes sets off those of `sighted`.
    static let forgettingSchema = """
        ALTER TABLE host ADD COLUMN token TEXT NOT NULL DEFAULT '';  -- the ID of the one it first came with; empty for none
        CREATE INDEX host_lastSeen ON host (token, lastSeen);
        CREATE INDEX opinion_host ON opinion (host, time);
        CREATE INDEX sighted_bare ON sighted (hosts, lastSeen) WHERE \(isBare);
        CREATE TABLE hostShare (
            token TEXT PRIMARY KEY NOT NULL,
            hosts INTEGER NOT NULL               -- that first came with it
        ) STRICT, WITHOUT ROWID;
        INSERT INTO hostShare SELECT token, count(*) FROM host GROUP BY token;
        CREATE TRIGGER host_insert AFTER INSERT ON host BEGIN
            INSERT INTO hostShare (token, hosts) VALUES (NEW.token, 1) ON CONFLICT DO UPDATE SET hosts = hosts + 1;
        END;
        CREATE TRIGGER host_delete AFTER DELETE ON host BEGIN
            UPDATE hostShare SET hosts = hosts - 1 WHERE token = OLD.token;
            DELETE FROM hostShare WHERE token = OLD.token AND hosts < 1;
        END;
        CREATE TABLE bareTotal (kernels INTEGER NOT NULL) STRICT;  -- one row
        INSERT INTO bareTotal SELECT count(*) FROM sighted WHERE \(isBare);
        \(countBare("INSERT", isBare("NEW."), "+ 1"))
        \(countBare("DELETE", isBare("OLD."), "- 1"))
        \(countBare(
            "UPDATE OF trust, btf, btfLost, conflicts, pinnedAt, purgedAt",
            "(\(isBare("OLD."))) != (\(isBare("NEW.")))", "+ (\(isBare("NEW."))) - (\(isBare("OLD.")))"))
        """

    // MARK: What was not seen for long

    /// Some hosts that were not seen since a time.
    func hosts(notSeenSince seconds: Int, limit: Int, _ database: Database) throws -> [HostID] {
        try HostID.fetchAll(
            database,
            sql: """
                SELECT host.id FROM hostShare CROSS JOIN host INDEXED BY host_lastSeen ON host.token = hostShare.token
                WHERE host.lastSeen < ? LIMIT ?
                """, arguments: [seconds, limit])
    }

    /// Forgets those of some hosts that were not seen since a time.
    func forget(_ hosts: [HostID], notSeenSince seconds: Int, _ database: Database) throws -> Forgotten {
        var forgotten = Forgotten()
        let isOld = try database.cachedStatement(sql: "SELECT lastSeen < ? FROM host WHERE id = ?")
        for host in hosts where try Bool.fetchOne(isOld, arguments: [seconds, host]) == true {
            try forget(host, &forgotten, database)
        }
        return forgotten
    }

    /// Forgets some kernels that were not seen since a time, that no host runs, and of which there is nothing.
    ///
    /// - Returns: how many.
    func forgetKernels(notSeenSince seconds: Int, limit: Int, _ database: Database) throws -> Int {
        try database.execute(
            sql: """
                DELETE FROM sighted WHERE id IN (
                    SELECT id FROM sighted INDEXED BY sighted_bare WHERE hosts = 0 AND lastSeen < ? AND \(Self.isBare) LIMIT ?)
                """, arguments: [seconds, limit])
        return database.changesCount
    }

    // MARK: What is too much

    /// Forgets hosts that came with a token, if that has as many as it may have, for a new one.
    func makeRoom(
        forHostOf token: String, _ rules: HostRules, _ forgotten: inout Forgotten, _ database: Database
    ) throws {
        let count = try Int.fetchOne(
            try database.cachedStatement(sql: "SELECT hosts FROM hostShare WHERE token = ?"), arguments: [token])
        guard let count, count >= rules.number else { return }
        // One, unless the server's operator has set another limit: then some each time.
        let hosts = try HostID.fetchAll(
            database,
            sql: "SELECT id FROM host INDEXED BY host_lastSeen WHERE token = ? ORDER BY lastSeen LIMIT ?",
            arguments: [token, min(count - rules.number + 1, 16)])
        for host in hosts { try forget(host, &forgotten, database) }
    }

    /// Forgets kernels of which there are reports and nothing else, and the hosts that run them, if there are as many as there
    /// may be and this one is not known. It takes some at once, as ``KernelIndex`` is read anew for kernels that go.
    func makeRoom(
        for kernel: BuildID, _ rules: HostRules, _ forgotten: inout Forgotten, _ database: Database
    ) throws {
        let isKnown = try Bool.fetchOne(
            try database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM sighted WHERE buildID = ?)"),
            arguments: [kernel])
        guard isKnown != true else { return }
        let count = try Int.fetchOne(
            try database.cachedStatement(sql: "SELECT kernels FROM bareTotal"))
        guard let count, count >= rules.bareKernels else { return }
        let kernels = try Int.fetchAll(
            database,
            sql: """
                SELECT id FROM sighted INDEXED BY sighted_bare WHERE \(Self.isBare) ORDER BY hosts, lastSeen LIMIT ?
                """, arguments: [count - rules.bareKernels + max(1, rules.bareKernels / 200)])
        for kernel in kernels {
            let hosts = try HostID.fetchAll(
                try database.cachedStatement(sql: "SELECT id FROM host WHERE kernel = ?"), arguments: [kernel])
            for host in hosts { try forget(host, &forgotten, database) }
            try database.cachedStatement(sql: "DELETE FROM sighted WHERE id = ?").execute(arguments: [kernel])
        }
        forgotten.kernels += kernels.count
    }

    // MARK: One host

    private func forget(_ host: HostID, _ forgotten: inout Forgotten, _ database: Database) throws {
        let known = try lastReport(of: host, database)
        // In any case: whoever looks for hosts to forget must not find the same ones for ever.
        try database.cachedStatement(sql: "DELETE FROM host WHERE id = ?").execute(arguments: [host])
        if let known { try uncount(known, database) }
        forgotten.changed.formUnion(try forgetOpinions(of: host, butLast: 0, database))
        forgotten.hosts.append(host)
    }

    /// Takes what a host said of what the store has off the record, but for what it said last.
    ///
    /// - Returns: of which kernels.
    func forgetOpinions(of host: HostID, butLast kept: Int, _ database: Database) throws -> Set<BuildID> {
        let rows = try Row.fetchAll(
            try database.cachedStatement(
                sql: """
                    SELECT buildID, artefact, digest, agrees FROM opinion INDEXED BY opinion_host WHERE host = ?
                    ORDER BY time DESC LIMIT -1 OFFSET ?
                    """), arguments: [host, kept])
        var kernels: Set<BuildID> = []
        for row in rows {
            let kernel: BuildID = row["buildID"]
            guard let artefact = Artefact(rawValue: row["artefact"]) else { continue }
            let key = UploadClaims.Key(kernel: kernel, artefact: artefact)
            try database.cachedStatement(sql: "DELETE FROM opinion WHERE buildID = ? AND artefact = ? AND host = ?")
                .execute(arguments: [kernel, artefact.rawValue, host])
            if !(row["agrees"] as Bool) { try uncount(otherDigest: row["digest"], on: key, database) }
            kernels.insert(kernel)
        }
        return kernels
    }
}
