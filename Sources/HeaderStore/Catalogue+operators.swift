internal import FoundationEssentials
internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// What operators ask: the list of kernels and its hosts. All that has pages is read by
/// an index, from where the page before ended, in constant time.
extension Catalogue {
    /// The most kernels that are looked at for one page. With filters that few kernels pass, a page of a larger catalogue has
    /// fewer kernels than it could have.
    static let maximumWindow = 120_000
    /// The same where a filter is not in the orders' indexes, so that each kernel's row has to be read: time and hosts, which
    /// reports would have to change in all of them.
    static let maximumRowWindow = 20_000
    /// The first stretch of it, which is enough for most filters.
    private static let firstWindow = 2_000

    /// A statement with its arguments.
    struct Query {
        var sql: String
        var arguments: StatementArguments
    }

    /// A page of the list.
    ///
    /// - Parameters:
    ///   - pattern: only those whose `/lib/modules/RELEASE/build` matches it; nil for all.
    ///   - place: where the page before ended.
    ///   - limit: kernels, at least 1.
    /// - Returns: the kernels, and where the next page begins.
    func kernels(
        _ query: KernelQuery, headersFolder pattern: String?, after place: KernelCursor?, limit: Int,
        window maximum: Int = maximumWindow, _ database: Database
    ) throws -> (rows: [KernelRow], next: KernelCursor?) {
        let order = KernelCursor.Order(query)
        let readsRows =
            query.seenSince != nil && order.sort != .lastSeen || query.isRunning != nil && order.sort != .hosts
        let maximum = readsRows ? min(maximum, Self.maximumRowWindow) : maximum
        var place = place
        var rows: [KernelRow] = []
        for window in [min(Self.firstWindow, maximum), max(maximum - Self.firstWindow, 1)] {
            let end = try endOfStretch(order, window, after: place, database)
            let rest = limit - rows.count
            let page = Self.page(query, headersFolder: pattern, after: place, upTo: end, limit: rest + 1)
            let found = try KernelRow.fetchAll(
                try database.cachedStatement(sql: page.sql), arguments: page.arguments)
            rows += found.prefix(rest)
            guard found.count <= rest else { return (rows, rows.last.map { KernelCursor(order, $0.entry) }) }
            guard let end else { return (rows, nil) }
            place = end
        }
        return (rows, place)
    }

    /// Where a stretch of so many kernels ends, whether they pass the filters or not; nil if there are fewer.
    private func endOfStretch(
        _ order: KernelCursor.Order, _ window: Int, after place: KernelCursor?, _ database: Database
    ) throws -> KernelCursor? {
        let query = Self.end(order, window, after: place)
        return try Row.fetchOne(try database.cachedStatement(sql: query.sql), arguments: query.arguments).map { row in
            KernelCursor(
                order: order, value: order.sort == .release ? .text(row[0]) : .number(row[0]), id: row["buildID"])
        }
    }

    static func end(_ order: KernelCursor.Order, _ window: Int, after place: KernelCursor?) -> Query {
        let start = order.start(place)
        return Query(
            sql: """
                SELECT \(order.column), buildID FROM sighted INDEXED BY \(order.index)
                WHERE (\(order.column), buildID) \(order.isDescending ? "<" : ">") (?, ?)
                ORDER BY \(order.terms) LIMIT 1 OFFSET ?
                """, arguments: start + [window - 1])
    }

    /// The kernels of a stretch that pass the filters.
    static func page(
        _ query: KernelQuery, headersFolder pattern: String?, after place: KernelCursor?, upTo end: KernelCursor?,
        limit: Int
    ) -> Query {
        let order = KernelCursor.Order(query)
        let key = "(sighted.\(order.column), sighted.buildID)"
        var conditions = ["\(key) \(order.isDescending ? "<" : ">") (?, ?)"]
        var arguments = order.start(place)
        func add(_ condition: String, _ values: (any DatabaseValueConvertible)...) {
            conditions.append(condition)
            arguments += StatementArguments(values)
        }
        if let end {
            conditions.append("\(key) \(order.isDescending ? ">=" : "<=") (?, ?)")
            arguments += order.start(end)
        }
        if let release = query.release { add("sighted.release = ?", release) }
        // With the sign it is no bound of the index, which would take the place of the one where the page begins.
        if let glob = query.releaseGlob { add("+sighted.release GLOB ?", glob) }
        if let pattern {
            add("sighted.release != '' AND '/lib/modules/' || sighted.release || '/build' GLOB ?", pattern)
        }
        if let architecture = query.architecture { add("sighted.architecture = ?", architecture) }
        if let distribution = query.distribution { add("distribution = ?", distribution) }
        if let has = query.hasHeaders { add(has ? "trust IS NOT NULL" : "trust IS NULL") }
        if let has = query.hasBTF { add("btf = ?", has) }
        if let has = query.hasPCH { add("pch = ?", has) }
        if let source = query.source { add("trust = ?", (HeaderSource.allCases.firstIndex(of: source) ?? -1) + 1) }
        if let has = query.hasConflicts { add(has ? "conflicts > 0" : "conflicts = 0") }
        if let isDamaged = query.isDamaged { add(isDamaged ? "(damage > 0 OR btfLost)" : "damage = 0 AND NOT btfLost") }
        if let isPinned = query.isPinned { add(isPinned ? "pinnedAt IS NOT NULL" : "pinnedAt IS NULL") }
        if let runs = query.isRunning { add(runs ? "hosts > 0" : "hosts = 0") }
        switch query.isPurged {
        case true: add("purgedAt IS NOT NULL")
        case false: add("purgedAt IS NULL")
        // Deleted is deleted, unless hosts run it: then something is missing.
        case nil: add("(purgedAt IS NULL OR hosts > 0)")
        }
        if let time = query.seenSince { add("sighted.lastSeen >= ?", time) }
        // Where all that pass have the same value, the index is read by that, and by this, as by the pair of both it can't be.
        let isOneValue =
            order.sort == .release && query.release != nil || order.sort == .hosts && query.isRunning == false
        if isOneValue, let place, place.value == (order.sort == .hosts ? .number(0) : .text(query.release ?? "")) {
            add("sighted.buildID \(order.isDescending ? "<" : ">") ?", place.id)
        }
        return Query(
            sql: """
                \(KernelRow.query(index: order.index)) WHERE \(conditions.joined(separator: " AND "))
                ORDER BY \(order.terms) LIMIT ?
                """, arguments: arguments + [limit])
    }

    // MARK: Hosts

    /// Hosts in the order of their IDs.
    ///
    /// - Parameter digest: those that said that they have this, instead of those that run the kernel.
    static func hosts(of id: BuildID, digest: Digest?, after last: HostID?, limit: Int) -> Query {
        let columns = "host.id, bootID, agent, host.firstSeen, host.lastSeen, steps"
        let start = last?.databaseValue ?? Data().databaseValue
        guard let digest else {
            return Query(
                sql: """
                    SELECT \(columns) FROM host INDEXED BY host_kernel JOIN report ON report.id = host.report
                    WHERE host.kernel = (SELECT id FROM sighted WHERE buildID = ?) AND host.id > ? ORDER BY host.id LIMIT ?
                    """, arguments: [id, start, limit])
        }
        return Query(
            sql: """
                SELECT \(columns) FROM opinion INDEXED BY opinion_digest CROSS JOIN host ON host.id = opinion.host
                    CROSS JOIN report ON report.id = host.report
                WHERE opinion.buildID = ? AND opinion.digest = ? AND opinion.host > ? ORDER BY opinion.host LIMIT ?
                """, arguments: [id, digest, start, limit])
    }

    func hosts(
        of id: BuildID, digest: Digest?, after last: HostID?, limit: Int, _ database: Database
    ) throws -> [HostEntry] {
        let query = Self.hosts(of: id, digest: digest, after: last, limit: limit)
        return try Row.fetchAll(try database.cachedStatement(sql: query.sql), arguments: query.arguments).map { row in
            HostEntry(
                host: row["id"], bootID: row["bootID"], agent: row["agent"], firstSeen: row["firstSeen"],
                lastSeen: row["lastSeen"], steps: try Self.steps(row["steps"]))
        }
    }

    // MARK: One kernel

    /// Bundles of a tree that are on disk.
    func bundles(of tree: Digest, _ database: Database) throws -> [BundleFormat: (digest: Digest, bytes: Int)] {
        var bundles: [BundleFormat: (digest: Digest, bytes: Int)] = [:]
        let sql = "SELECT format, recipe, digest, bytes FROM bundle WHERE treeDigest = ?"
        for row in try Row.fetchAll(database, sql: sql, arguments: [tree]) {
            guard let format = BundleFormat(rawValue: row["format"]), row["recipe"] == BundleRecipe.name(format) else {
                continue
            }
            bundles[format] = (row["digest"], row["bytes"])
        }
        return bundles
    }

    /// The most PCHs of a kernel that are shown.
    private static let maximumPCHs = 100

    /// PCHs of a kernel's tree that are on disk.
    func pchArtefacts(of id: BuildID, tree: Digest, _ database: Database) throws -> [KernelArtefact] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT rank, digest, bytes, bytes + zstdBytes AS stored, document ->> '$.toolchain' AS toolchain,
                    document ->> '$.profileName' AS profile, document ->> '$.umbrella' AS umbrella
                FROM pch INDEXED BY pch_tree WHERE treeDigest = ? ORDER BY umbrella, profile, toolchain LIMIT ?
                """, arguments: [tree, Self.maximumPCHs]
        ).compactMap { row in
            guard let toolchain = (row["toolchain"] as String?).flatMap({ Digest($0) }),
                let profile: String = row["profile"], let umbrella: String = row["umbrella"]
            else { return nil }
            let rank: String = row["rank"]
            let path = APIPath.pch(id, toolchain: toolchain, profile: profile, umbrella: umbrella)
            return KernelArtefact(
                .pch, path: rank == "builder" ? path + "?rank=builder" : path, bytes: row["bytes"],
                digest: row["digest"], storedBytes: row["stored"], toolchain: toolchain, profile: profile,
                umbrella: umbrella, rank: rank)
        }
    }

    /// The bytes of the pack that came with a tree; nil if others are in it.
    func packBytes(ofTreeAlone tree: Digest, _ database: Database) throws -> Int? {
        try Int.fetchOne(
            database,
            sql: """
                SELECT pack.bytes FROM tree JOIN pack ON pack.id = tree.pack
                WHERE tree.digest = ? AND (SELECT count(*) FROM tree AS other WHERE other.pack = tree.pack) = 1
                """, arguments: [tree])
    }

    // MARK: What operators change

    /// - Throws: `Problem` with `kernel-unknown`, or `kernel-purged`.
    private func require(_ id: BuildID, _ database: Database) throws -> KernelEntry {
        guard let entry = try kernel(id, database)?.entry else {
            throw Self.unknown(id, "kheader kernels list shows what it knows.")
        }
        if let purge = entry.purge { throw Self.purged(id, purge) }
        return entry
    }

    /// - Parameter advice: what to do if the build ID is right. A beginning of one, as git takes them, is none.
    static func unknown(_ id: BuildID, _ advice: String) -> Problem {
        let short = "It is short: kernels' have 40 digits. kheader kernels list shows them whole."
        return Problem(
            .kernelUnknown, "This server has never seen build ID \(id). \(id.bytes.count < 16 ? short : advice)")
    }

    static func purged(_ id: BuildID, _ purge: KernelMark) -> Problem {
        let reason = purge.reason.map { " (\($0))" } ?? ""
        return Problem(
            .kernelPurged,
            "The kernel of build ID \(id) was deleted from this server\(reason). The next host that runs it is asked to upload "
                + "it again; kheader push ARCHIVE --build-id \(id) does so, too.")
    }

    /// - Throws: `Problem` with `kernel-unknown`, or `kernel-purged`.
    func pin(_ id: BuildID, _ mark: KernelMark?, _ database: Database) throws {
        _ = try require(id, database)
        try database.execute(
            sql: "UPDATE sighted SET pinnedAt = ?, pinReason = ? WHERE buildID = ?",
            arguments: [mark?.time, mark?.reason, id])
    }

    /// Lets go of a kernel, and remembers that it did. What hosts run stays on record; what lies in packs is not touched.
    ///
    /// - Throws: `Problem` with `kernel-unknown`, `kernel-purged`, or `kernel-pinned`.
    func purge(_ id: BuildID, _ mark: KernelMark, _ database: Database) throws {
        let entry = try require(id, database)
        if let pin = entry.pin {
            let reason = pin.reason.map { " (\($0))" } ?? ""
            throw Problem(
                .kernelPinned,
                "The kernel of build ID \(id) is pinned\(reason). Unpin it first: kheader kernels unpin \(id)")
        }
        for table in ["kernel", "conflict", "opinion", "otherDigest"] {
            try database.execute(sql: "DELETE FROM \(table) WHERE buildID = ?", arguments: [id])
        }
        try database.execute(
            sql: "UPDATE sighted SET btf = 0, btfLost = 0, damage = 0, purgedAt = ?, purgeReason = ? WHERE buildID = ?",
            arguments: [mark.time, mark.reason, id])
    }

    // MARK: BTF

    /// Notes that the store has the BTF of a kernel.
    func btfCame(_ id: BuildID, at time: Int, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO sighted (buildID, release, firstSeen, lastSeen, hosts, btf) VALUES (?, '', ?, ?, 0, 1)
                ON CONFLICT (buildID) DO UPDATE SET btf = 1, btfLost = 0, lastSeen = max(lastSeen, excluded.lastSeen),
                    purgedAt = NULL, purgeReason = NULL
                """, arguments: [id, time, time])
    }

    /// Notes that a kernel's BTF was found damaged, or its file is gone. That counts as lost until some is uploaded.
    func btfWasLost(_ id: BuildID, _ database: Database) throws {
        try database.execute(sql: "UPDATE sighted SET btf = 0, btfLost = 1 WHERE buildID = ?", arguments: [id])
    }

    /// The document with the names of files of BTF that are to go: of kernels that were deleted.
    private static let doomedBTF = "doomedBTF"

    /// Notes that a file of BTF is to go, or is gone.
    func setDoomed(_ isDoomed: Bool, btf name: String, _ database: Database) throws {
        var names = try upkeep(Self.doomedBTF, Set<String>.self, database) ?? []
        if isDoomed { names.insert(name) } else { names.remove(name) }
        try setUpkeep(Self.doomedBTF, names, database)
    }

    /// Brings what is on record of BTF together with what is in its folder, which is what counts: BTF of a kernel that is on
    /// record as deleted came after that, and the catalogue is from a backup.
    ///
    /// - Parameter present: names of files.
    /// - Returns: kernels whose BTF was to go when a crash came.
    func reconcile(btf present: [BuildID: String], at time: Int) throws -> [BuildID] {
        let (known, purged, doomed) = try pool.read { database in
            (
                try BuildID.fetchSet(database, sql: "SELECT buildID FROM sighted WHERE btf = 1"),
                try BuildID.fetchSet(database, sql: "SELECT buildID FROM sighted WHERE purgedAt IS NOT NULL"),
                try upkeep(Self.doomedBTF, Set<String>.self, database) ?? []
            )
        }
        let interrupted = present.filter { doomed.contains($0.value) && purged.contains($0.key) }.keys
        let there = Set(present.keys).subtracting(interrupted)
        let new = there.subtracting(known)
        let gone = known.subtracting(there)
        if !new.isEmpty || !gone.isEmpty {
            try write { database in
                for id in new { try btfCame(id, at: time, database) }
                for id in gone { try btfWasLost(id, database) }
            }
        }
        return Array(interrupted)
    }
}
