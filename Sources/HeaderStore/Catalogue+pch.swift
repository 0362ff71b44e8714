internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// PCHs, what is known of clients that ask for them, and smoke compiles.
extension Catalogue {
    func insert(_ pch: PCHRecord, for key: Digest, document: String, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO pch (key, treeDigest, rank, digest, bytes, zstdDigest, zstdBytes, document)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [key, pch.tree, pch.rank, pch.digest, pch.bytes, pch.zstdDigest, pch.zstdBytes, document])
        try database.execute(sql: "DELETE FROM pchFailure WHERE key = ?", arguments: [key])
    }

    func pchDocument(_ key: Digest, _ database: Database) throws -> String? {
        try String.fetchOne(database, sql: "SELECT document FROM pch WHERE key = ?", arguments: [key])
    }

    // MARK: Failures

    func failures(_ database: Database) throws -> [Digest: PCHFailure] {
        var failures: [Digest: PCHFailure] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT * FROM pchFailure") {
            guard let code = ProblemCode(rawValue: row["code"]) else { continue }
            failures[row["key"]] = PCHFailure(code: code, detail: row["detail"], time: row["time"])
        }
        return failures
    }

    func insert(_ failure: PCHFailure, for key: Digest, _ database: Database) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO pchFailure (key, code, detail, time) VALUES (?, ?, ?, ?)",
            arguments: [key, failure.code.rawValue, failure.detail, failure.time])
    }

    /// - Returns: the failures that are left when those before a time are gone, and all but the newest.
    func removeFailures(
        before time: Int, keeping maximum: Int, _ database: Database
    ) throws -> [Digest: PCHFailure] {
        try database.execute(
            sql: """
                DELETE FROM pchFailure WHERE time < ?
                    OR key NOT IN (SELECT key FROM pchFailure ORDER BY time DESC, rowid DESC LIMIT ?)
                """, arguments: [time, maximum])
        return try failures(database)
    }

    // MARK: Demand

    func demanded(_ demand: PCHDemand, at time: Int, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO pchDemand (toolchain, profile, umbrella, lastAsked) VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET lastAsked = max(lastAsked, excluded.lastAsked)
                """, arguments: [demand.toolchain, demand.profile, demand.umbrella, time])
    }

    func removeDemand(keeping maximum: Int, _ database: Database) throws {
        try database.execute(
            sql: """
                DELETE FROM pchDemand WHERE (toolchain, profile, umbrella) NOT IN
                    (SELECT toolchain, profile, umbrella FROM pchDemand ORDER BY lastAsked DESC LIMIT ?)
                """, arguments: [maximum])
    }

    /// What was asked for since a time, the last first.
    func demand(since time: Int, _ database: Database) throws -> [PCHDemand] {
        try Row.fetchAll(
            database, sql: "SELECT * FROM pchDemand WHERE lastAsked >= ? ORDER BY lastAsked DESC, profile, umbrella",
            arguments: [time]
        ).map { PCHDemand(toolchain: $0["toolchain"], profile: $0["profile"], umbrella: $0["umbrella"]) }
    }

    // MARK: Documents

    func document(kind: String, id: Digest, _ database: Database) throws -> String? {
        try String.fetchOne(
            database, sql: "SELECT document FROM pchDocument WHERE kind = ? AND id = ?", arguments: [kind, id])
    }

    func documents(kind: String, _ database: Database) throws -> [String] {
        try String.fetchAll(
            database, sql: "SELECT document FROM pchDocument WHERE kind = ? ORDER BY id", arguments: [kind])
    }

    func documentAsked(kind: String, id: Digest, at time: Int, _ database: Database) throws {
        try database.execute(
            sql: "UPDATE pchDocument SET lastAsked = max(lastAsked, ?) WHERE kind = ? AND id = ?",
            arguments: [time, kind, id])
    }

    /// - Returns: whether there was none with this ID.
    func insertDocument(
        _ document: String, kind: String, id: Digest, at time: Int, keeping maximum: Int, _ database: Database
    ) throws -> Bool {
        guard try self.document(kind: kind, id: id, database) == nil else {
            try documentAsked(kind: kind, id: id, at: time, database)
            return false
        }
        try database.execute(
            sql: """
                DELETE FROM pchDocument WHERE kind = ? AND id NOT IN
                    (SELECT id FROM pchDocument WHERE kind = ? ORDER BY lastAsked DESC, rowid DESC LIMIT ?)
                """, arguments: [kind, kind, maximum - 1])
        try database.execute(
            sql: "INSERT INTO pchDocument (kind, id, document, lastAsked) VALUES (?, ?, ?, ?)",
            arguments: [kind, id, document, time])
        return true
    }

    // MARK: Smoke compiles

    func insert(_ smoke: SmokeResult, of tree: Digest, recipe: String, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO smoke (treeDigest, recipe, state, compiler, detail, time)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [tree, recipe, smoke.state.rawValue, smoke.compiler, smoke.detail, smoke.time])
    }

    /// Kernels' trees that were not tried with this recipe, the newest first.
    func treesWithoutSmoke(recipe: String, limit: Int, _ database: Database) throws -> [UntriedTree] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT tree.digest, max(kernel.architecture) AS architecture, max(kernel.firstSeen) AS firstSeen
                FROM kernel JOIN tree ON tree.id = kernel.tree
                    LEFT JOIN smoke ON smoke.treeDigest = tree.digest AND smoke.recipe = ?
                WHERE smoke.treeDigest IS NULL GROUP BY tree.id ORDER BY firstSeen DESC, tree.id DESC LIMIT ?
                """, arguments: [recipe, limit]
        ).map { row in
            let architecture: String? = row["architecture"]
            return UntriedTree(
                digest: row["digest"], architecture: architecture.map { Architecture(machine: $0) },
                firstSeen: row["firstSeen"])
        }
    }
}
