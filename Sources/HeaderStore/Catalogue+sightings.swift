internal import FoundationEssentials
internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import OperatorDocuments

/// A host's last report, as it is on record.
struct HostRow: FetchableRecord {
    var kernel: Int
    var buildID: BuildID
    var bootID: String
    var agent: String
    var report: Int
    var reportDigest: Digest

    init(row: Row) throws {
        kernel = row["kernel"]
        buildID = row["buildID"]
        bootID = row["bootID"]
        agent = row["agent"]
        report = row["report"]
        reportDigest = row["reportDigest"]
    }
}

/// Hosts, the kernels that they run, and what their agents found.
extension Catalogue {
    /// Different reports of one kernel that are kept with their details. A report beyond them is kept without.
    static let maximumReports = 200
    /// Different digests of one artefact of a kernel that are kept, none of them the store's own. For one more, the one goes
    /// that the fewest hosts have: digests can be invented, and what several hosts have outlasts those.
    static let maximumOtherDigests = 200

    /// Whether a host's report says what is on record already.
    func isOnRecord(_ sighting: Sighting, _ database: Database) throws -> Bool {
        try lastReport(of: sighting.host, database).map { Self.says($0, sighting) } ?? false
    }

    func lastReport(of host: HostID, _ database: Database) throws -> HostRow? {
        try HostRow.fetchOne(
            try database.cachedStatement(
                sql: """
                    SELECT host.kernel, host.bootID, host.agent, host.report, sighted.buildID, report.digest AS reportDigest
                    FROM host JOIN sighted ON sighted.id = host.kernel JOIN report ON report.id = host.report
                    WHERE host.id = ?
                    """), arguments: [host])
    }

    private static func says(_ known: HostRow, _ sighting: Sighting) -> Bool {
        known.buildID == sighting.kernel.buildID && known.bootID == sighting.bootID && known.agent == sighting.agent
            && (known.reportDigest == digest(sighting.steps)
                || known.reportDigest == digest(withoutDetails(sighting.steps)))
    }

    /// Puts a host's report on record.
    ///
    /// - Parameters:
    ///   - token: the ID of the one that it came with; empty for none. A host that is on record stays with its first one.
    ///   - forgotten: gets what has to make room for it.
    /// - Returns: false if it says what is on record already; then nothing was written.
    func put(
        _ sighting: Sighting, by token: String, at seconds: Int, _ rules: HostRules, _ forgotten: inout Forgotten,
        _ database: Database
    ) throws -> Bool {
        var known = try lastReport(of: sighting.host, database)
        if known.map({ Self.says($0, sighting) }) == true { return false }
        if known?.buildID != sighting.kernel.buildID {
            try makeRoom(for: sighting.kernel.buildID, rules, &forgotten, database)
            // What it ran before may be gone, and itself with that.
            if known != nil { known = try lastReport(of: sighting.host, database) }
        }
        if known == nil { try makeRoom(forHostOf: token, rules, &forgotten, database) }
        let kernel = try sighted(sighting.kernel, at: seconds, database)
        let report = try report(sighting.steps, kernel: kernel, rules, database)
        if known.map({ ($0.kernel, $0.report) == (kernel, report) }) != true {
            try database.cachedStatement(sql: "UPDATE sighted SET hosts = hosts + 1 WHERE id = ?")
                .execute(arguments: [kernel])
            try database.cachedStatement(
                sql: """
                    INSERT INTO finding (kernel, report, hosts) VALUES (?, ?, 1)
                    ON CONFLICT DO UPDATE SET hosts = hosts + 1
                    """
            ).execute(arguments: [kernel, report])
            // After it: a report that nobody has any more is removed, and this may be that report.
            if let known { try uncount(known, database) }
        }
        try database.cachedStatement(
            sql: """
                INSERT INTO host (id, kernel, bootID, agent, report, firstSeen, lastSeen, token)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET kernel = excluded.kernel, bootID = excluded.bootID, agent = excluded.agent,
                    report = excluded.report, lastSeen = max(lastSeen, excluded.lastSeen)
                """
        ).execute(
            arguments: [sighting.host, kernel, sighting.bootID, sighting.agent, report, seconds, seconds, token])
        return true
    }

    /// The number of a kernel that was sighted. Labels that were not known are, by now; others stay as they are.
    private func sighted(_ kernel: KernelIdentity, at seconds: Int, _ database: Database) throws -> Int {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO sighted
                    (buildID, release, versionLine, architecture, hasBTF, distribution, firstSeen, lastSeen, hosts)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
                ON CONFLICT (buildID) DO UPDATE SET lastSeen = max(lastSeen, excluded.lastSeen),
                    release = CASE release WHEN '' THEN excluded.release ELSE release END,
                    distribution = coalesce(distribution, excluded.distribution),
                    versionLine = coalesce(versionLine, excluded.versionLine),
                    architecture = coalesce(architecture, excluded.architecture),
                    hasBTF = coalesce(hasBTF, excluded.hasBTF)
                RETURNING id
                """)
        let id = try Int.fetchOne(
            statement,
            arguments: [
                kernel.buildID, kernel.release ?? "", kernel.versionLine, kernel.architecture?.machine, kernel.hasBTF,
                KernelDistribution.name(release: kernel.release, versionLine: kernel.versionLine), seconds, seconds,
            ])
        guard let id else { throw Problem(.storeDamaged, "The catalogue does not take a sighting.") }
        return id
    }

    /// The number of a report, which is written down once, whoever sends it.
    private func report(
        _ steps: [CollectStep], kernel: Int, _ rules: HostRules, _ database: Database
    ) throws -> Int {
        let select = try database.cachedStatement(sql: "SELECT id FROM report WHERE digest = ?")
        var steps = steps
        var digest = Self.digest(steps)
        if let id = try Int.fetchOne(select, arguments: [digest]) { return id }
        let count = try Int.fetchOne(
            try database.cachedStatement(sql: "SELECT count(*) FROM finding WHERE kernel = ?"), arguments: [kernel])
        let all = try Int.fetchOne(
            try database.cachedStatement(sql: "SELECT count(*) FROM (SELECT 1 FROM report LIMIT ?)"),
            arguments: [rules.detailedReports])
        if (count ?? 0) >= Self.maximumReports || (all ?? 0) >= rules.detailedReports {
            steps = Self.withoutDetails(steps)
            digest = Self.digest(steps)
            if let id = try Int.fetchOne(select, arguments: [digest]) { return id }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try database.execute(
            sql: "INSERT INTO report (digest, steps) VALUES (?, ?)",
            arguments: [digest, String(decoding: try encoder.encode(steps), as: UTF8.self)])
        return Int(database.lastInsertedRowID)
    }

    /// A host's last report is not its last any more.
    func uncount(_ host: HostRow, _ database: Database) throws {
        try database.cachedStatement(sql: "UPDATE sighted SET hosts = hosts - 1 WHERE id = ?")
            .execute(arguments: [host.kernel])
        try database.cachedStatement(sql: "UPDATE finding SET hosts = hosts - 1 WHERE kernel = ? AND report = ?")
            .execute(arguments: [host.kernel, host.report])
        try database.cachedStatement(sql: "DELETE FROM finding WHERE kernel = ? AND report = ? AND hosts = 0")
            .execute(arguments: [host.kernel, host.report])
        try database.cachedStatement(
            sql:
                "DELETE FROM report WHERE id = ? AND NOT EXISTS (SELECT 1 FROM finding WHERE finding.report = report.id)"
        ).execute(arguments: [host.report])
    }

    /// Notes when hosts were seen, that said nothing new.
    func seen(_ hosts: [HostID: Int], _ database: Database) throws {
        let host = try database.cachedStatement(
            sql: "UPDATE host SET lastSeen = max(lastSeen, ?) WHERE id = ? RETURNING kernel")
        var kernels: [Int: Int] = [:]
        for (id, seconds) in hosts {
            guard let kernel = try Int.fetchOne(host, arguments: [seconds, id]) else { continue }
            kernels[kernel] = max(kernels[kernel] ?? 0, seconds)
        }
        let sighted = try database.cachedStatement(
            sql: "UPDATE sighted SET lastSeen = max(lastSeen, ?) WHERE id = ?")
        for (kernel, seconds) in kernels { try sighted.execute(arguments: [seconds, kernel]) }
    }

    /// SHA-256 of a report: of each step's texts, with lengths between them.
    private static func digest(_ steps: [CollectStep]) -> Digest {
        var bytes: [UInt8] = []
        for step in steps {
            for text in [step.origin.rawValue, step.outcome.rawValue, step.detail] {
                bytes += Array("\(text?.utf8.count ?? -1):\(text ?? "")".utf8)
            }
        }
        return SHA256Hash.digest(of: bytes)
    }

    private static func withoutDetails(_ steps: [CollectStep]) -> [CollectStep] {
        steps.map { CollectStep($0.origin, $0.outcome) }
    }

    // MARK: What was said of what is held

    /// Puts a host's digest on record that is, or is not, that of what the store has, and that the host did not say before.
    ///
    /// - Returns: other kernels of which the host said something that is on record no more, as it said too much.
    func put(
        opinion digest: Digest, of host: HostID, on key: UploadClaims.Key, agrees: Bool, at seconds: Int,
        _ database: Database
    ) throws -> Set<BuildID> {
        if let before = try opinion(of: host, on: key, database), !before.agrees {
            try uncount(otherDigest: before.digest, on: key, database)
        }
        let place = Self.place(key)
        if !agrees {
            switch try room(forOtherDigest: digest, on: key, at: seconds, database) {
            case .free: break
            case .instead(of: let other):
                try database.execute(
                    sql: """
                        DELETE FROM opinion INDEXED BY opinion_digest
                        WHERE buildID = ? AND artefact = ? AND digest = ? AND NOT agrees
                        """, arguments: place + [other])
                try database.execute(
                    sql: "DELETE FROM otherDigest WHERE buildID = ? AND artefact = ? AND digest = ?",
                    arguments: place + [other])
            case .none:
                try database.execute(
                    sql: "DELETE FROM opinion WHERE buildID = ? AND artefact = ? AND host = ?",
                    arguments: place + [host])
                return []
            }
        }
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO opinion (buildID, artefact, host, digest, agrees, time) VALUES (?, ?, ?, ?, ?, ?)
                """, arguments: place + [host, digest, agrees, seconds])
        if !agrees {
            try database.execute(
                sql: """
                    INSERT INTO otherDigest (buildID, artefact, digest, firstSeen, lastSeen, hosts) VALUES (?, ?, ?, ?, ?, 1)
                    ON CONFLICT DO UPDATE SET lastSeen = excluded.lastSeen, hosts = hosts + 1
                    """, arguments: place + [digest, seconds, seconds])
        }
        return try forgetOpinions(of: host, butLast: Self.maximumOpinionsOfHost, database)
    }

    private static func place(_ key: UploadClaims.Key) -> StatementArguments { [key.kernel, key.artefact.rawValue] }

    /// One host less has a digest that is not the store's.
    func uncount(otherDigest digest: Digest, on key: UploadClaims.Key, _ database: Database) throws {
        // With no host on the other side, it is no conflict any more.
        for change in [
            "UPDATE otherDigest SET hosts = hosts - 1 WHERE", "DELETE FROM otherDigest WHERE hosts < 1 AND",
        ] {
            try database.execute(
                sql: change + " buildID = ? AND artefact = ? AND digest = ?", arguments: Self.place(key) + [digest])
        }
    }

    /// Where a digest that is not the store's can be put on record.
    enum Room {
        case free
        /// Of all that nobody new has had for a day, the one that the fewest hosts have: so what was invented goes, and hosts
        /// that are forgotten over it don't push out one another at each report.
        case instead(of: Digest)
        case none
    }

    func room(
        forOtherDigest digest: Digest, on key: UploadClaims.Key, at seconds: Int, _ database: Database
    ) throws -> Room {
        let place = Self.place(key)
        let others = "FROM otherDigest WHERE buildID = ? AND artefact = ?"
        let isKnown = try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 \(others) AND digest = ?)", arguments: place + [digest])
        guard isKnown != true,
            try Int.fetchOne(database, sql: "SELECT count(*) \(others)", arguments: place) ?? 0
                >= Self.maximumOtherDigests
        else { return .free }
        let least = try Digest.fetchOne(
            database, sql: "SELECT digest \(others) AND lastSeen < ? ORDER BY hosts, lastSeen, digest LIMIT 1",
            arguments: place + [seconds - 86_400])
        return least.map { .instead(of: $0) } ?? .none
    }

    /// What a host said before of what the store has; nil for nothing.
    func opinion(
        of host: HostID, on key: UploadClaims.Key, _ database: Database
    ) throws -> (digest: Digest, agrees: Bool)? {
        try Row.fetchOne(
            try database.cachedStatement(
                sql: "SELECT digest, agrees FROM opinion WHERE buildID = ? AND artefact = ? AND host = ?"),
            arguments: [key.kernel, key.artefact.rawValue, host]
        ).map { ($0["digest"], $0["agrees"]) }
    }

    /// Raises a kernel that one host has the headers of to one that hosts agree on, if so many others do.
    func raiseIfAgreed(_ id: BuildID, opinions: Int, _ database: Database) throws {
        try database.execute(
            sql: """
                UPDATE kernel SET source = ? WHERE buildID = ? AND source = ?
                    AND (SELECT count(*) FROM opinion WHERE opinion.buildID = kernel.buildID AND artefact = ? AND agrees
                        AND digest = kernel.archiveDigest AND host IS NOT kernel.uploader) >= ?
                """,
            arguments: [
                HeaderSource.agreed.rawValue, id, HeaderSource.agent.rawValue, Artefact.headers.rawValue, opinions,
            ])
    }

    /// What hosts' headers are held against, of all kernels or of one.
    func heldHeaders(_ id: BuildID? = nil, opinions: Int, _ database: Database) throws -> [BuildID: HeldArtefact] {
        var held: [BuildID: HeldArtefact] = [:]
        // What is damaged is wanted again.
        let query = """
            SELECT buildID, source, archiveDigest, origin, uploader FROM kernel
                JOIN tree ON tree.id = kernel.tree AND NOT tree.damaged
            """
        let arguments: StatementArguments = id.map { [$0] } ?? []
        for row in try Row.fetchAll(
            database, sql: id == nil ? query : query + " WHERE buildID = ?", arguments: arguments)
        {
            let source = HeaderSource(rawValue: row["source"]) ?? .unknown
            let origin = (row["origin"] as String?).flatMap { HeaderOrigin(rawValue: $0) }
            let standing: HeldArtefact.Standing =
                source >= .push ? .operators : origin?.isKernelsOwn == true ? .kernelsOwn : .packed
            var artefact = HeldArtefact(digest: row["archiveDigest"], standing: standing, uploader: row["uploader"])
            if standing == .kernelsOwn {
                let said = "SELECT host FROM opinion WHERE buildID = ? AND artefact = ? AND host IS NOT ?"
                let arguments: StatementArguments = [
                    row["buildID"] as BuildID, Artefact.headers.rawValue, artefact.uploader, opinions,
                ]
                artefact.opinions = try HostID.fetchSet(database, sql: said + " LIMIT ?", arguments: arguments)
                // Of an archive that was there before, lost and rebuilt without, they say nothing.
                artefact.agreeing = try HostID.fetchSet(
                    database, sql: said + " AND agrees AND digest = ? LIMIT ?",
                    arguments: [
                        row["buildID"] as BuildID, Artefact.headers.rawValue, artefact.uploader,
                        row["archiveDigest"] as Digest, opinions,
                    ])
            }
            held[row["buildID"]] = artefact
        }
        return held
    }

    // MARK: Out

    /// What hosts say of a kernel; nil if none that is remembered ran it, and the store never had anything of it.
    func sightings(of id: BuildID, _ database: Database) throws -> KernelSightings? {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT id, hosts FROM sighted WHERE buildID = ?", arguments: [id])
        else { return nil }
        var sightings = KernelSightings(hosts: row["hosts"])
        if let most = try reports(of: id, limit: 1, database).first {
            sightings.mostFrequent = most.steps
            sightings.hostsWithMostFrequent = most.hosts
        }
        return sightings
    }

    /// What agents found of a kernel, the most frequent first. There are few for each: see ``maximumReports``.
    func reports(of id: BuildID, limit: Int, _ database: Database) throws -> [AgentReport] {
        try Row.fetchAll(
            try database.cachedStatement(
                sql: """
                    SELECT finding.hosts, steps FROM sighted JOIN finding ON finding.kernel = sighted.id
                        JOIN report ON report.id = finding.report
                    WHERE sighted.buildID = ? ORDER BY finding.hosts DESC, report.id LIMIT ?
                    """), arguments: [id, limit]
        ).map { AgentReport(hosts: $0["hosts"], steps: try Self.steps($0["steps"])) }
    }

    static func steps(_ json: String) throws -> [CollectStep] {
        try JSONDecoder().decode([CollectStep].self, from: Data(json.utf8))
    }
}
