internal import GRDB
internal import KernelHeaders
public import OperatorDocuments

/// Kernels that nobody runs any more go.
extension HeaderStore {
    fileprivate static let secondsOfDay = 86_400

    /// The rules that the store was opened with.
    public var retention: RetentionRules { options.retention }

    /// Deletes the kernels that the rules do not keep, as ``purge(_:reason:)`` does, or says which these are.
    ///
    /// - Returns: what was removed. A kernel that is reported or pinned meanwhile stays, and is not in it.
    public func prune(_ rules: RetentionRules, isDryRun: Bool) async throws -> PruneReport {
        let time = options.now()
        let removals = try await catalogue.pool.read { [catalogue, btf] database in
            try catalogue.removals(
                rules, at: time, allBTF: btf.status.storedBytes, btf: { btf.record($0)?.storedBytes ?? 0 }, database)
        }
        var report = PruneReport(
            isDryRun: isDryRun, time: time, days: rules.days, newest: rules.newest, bytes: rules.bytes,
            removals: removals)
        guard !isDryRun else { return report }
        report.removals = []
        for removal in removals {
            try Task.checkCancellation()
            let mark = KernelMark(time: options.now(), reason: removal.reason)
            if try await purge(removal.buildID, mark, unlessSeenAfter: removal.lastSeen) {
                report.removals.append(removal)
            }
        }
        return report
    }

    /// Forgets hosts, and kernels that only hosts knew of, as ``HostRules/days`` has it. What kernels were last seen is on
    /// record with themselves. Durable when it returns, and some at a time: other writing goes on in between.
    ///
    /// - Returns: how many of each were forgotten.
    /// - Throws: `Problem` with `disk-full`, `CancellationError`, or what SQLite says.
    public func forgetHosts() async throws -> (hosts: Int, kernels: Int) {
        let time = options.now() - options.hosts.days * Self.secondsOfDay
        disk.makeRoom()
        var all = (hosts: 0, kernels: 0)
        while let some = try await checkIns.forget(notSeenSince: time) {
            all = (all.hosts + some.hosts, all.kernels + some.kernels)
            try Task.checkCancellation()
        }
        return all
    }

    /// The most hosts on record that first came with one token.
    public func mostHostsOfToken() async throws -> Int {
        try await catalogue.pool.read { try Int.fetchOne($0, sql: "SELECT max(hosts) FROM hostShare") ?? 0 }
    }

    /// How many there may be.
    public var hostsOfTokenLimit: Int { options.hosts.number }

    /// How long the server ran since the rules were last followed, in seconds.
    private struct Waited: Codable {
        var seconds: Int
        /// When it was last known to run.
        var time: Int
    }

    private static let waited = "retention"

    /// Notes that the server has run for so many more seconds since it last followed the rules. A day in which it did not run
    /// makes that begin anew: it has to hear of its hosts first.
    ///
    /// - Returns: all of them, over restarts.
    public func waitForPrune(_ seconds: Int) async throws -> Int {
        try await ingests.run { [catalogue, options] in
            try catalogue.write { database in
                let now = options.now()
                var waited = try catalogue.upkeep(Self.waited, Waited.self, database) ?? Waited(seconds: 0, time: now)
                if now - waited.time > Self.secondsOfDay + seconds { waited.seconds = 0 }
                waited = Waited(seconds: waited.seconds + seconds, time: now)
                try catalogue.setUpkeep(Self.waited, waited, database)
                return waited.seconds
            }
        }
    }

    /// Notes that the rules were followed.
    public func endWaitForPrune() async throws {
        let waited = Waited(seconds: 0, time: options.now())
        try await ingests.run { [catalogue] in
            try catalogue.write { try catalogue.setUpkeep(Self.waited, waited, $0) }
        }
    }
}

extension Catalogue {
    /// A kernel that may go.
    private struct Candidate {
        var id: BuildID
        var release: String
        var lastSeen: Int
        /// Of the tree's manifest; nil without headers.
        var pack: Int?
    }

    /// The kernels that rules do not keep, those that were not reported for the longest time first.
    ///
    /// - Parameters:
    ///   - allBTF: bytes on disk.
    ///   - btf: what a kernel's BTF takes of them.
    func removals(
        _ rules: RetentionRules, at time: Int, allBTF: Int, btf: (BuildID) -> Int, _ database: Database
    ) throws -> [PruneReport.Removal] {
        let expiry = time - rules.days * HeaderStore.secondsOfDay
        let latest =
            rules.bytes == nil ? expiry : max(expiry, time - RetentionRules.leastDays * HeaderStore.secondsOfDay)
        let newest = try BuildID.fetchSet(
            database,
            sql: """
                SELECT buildID FROM sighted INDEXED BY sighted_firstSeen
                WHERE purgedAt IS NULL AND (trust IS NOT NULL OR btf = 1) ORDER BY firstSeen DESC, buildID DESC LIMIT ?
                """, arguments: [rules.newest])
        let candidates = try Row.fetchAll(
            database,
            sql: """
                SELECT sighted.buildID, sighted.release, sighted.lastSeen, tree.pack
                FROM sighted INDEXED BY sighted_lastSeen LEFT JOIN kernel ON kernel.buildID = sighted.buildID
                    LEFT JOIN tree ON tree.id = kernel.tree
                WHERE sighted.lastSeen < ? AND purgedAt IS NULL AND pinnedAt IS NULL AND (trust IS NOT NULL OR btf = 1 OR btfLost)
                ORDER BY sighted.lastSeen, sighted.buildID
                """, arguments: [latest]
        ).map { Candidate(id: $0["buildID"], release: $0["release"], lastSeen: $0["lastSeen"], pack: $0["pack"]) }
        var usage = try PackUsage(database)
        var used = usage.bytes + allBTF
        var removals: [PruneReport.Removal] = []
        for candidate in candidates where !newest.contains(candidate.id) {
            let cause: PruneReport.Cause
            if candidate.lastSeen < expiry {
                cause = .age
            } else if let budget = rules.bytes, used > budget {
                cause = .space
            } else {
                continue
            }
            let bytes = btf(candidate.id) + (candidate.pack.map { usage.leave($0) } ?? 0)
            used -= bytes
            let days = (time - candidate.lastSeen) / HeaderStore.secondsOfDay
            let reason =
                "not reported for \(days) days" + (cause == .space ? ", and the store was over its budget" : "")
            removals.append(
                PruneReport.Removal(
                    buildID: candidate.id, release: candidate.release.isEmpty ? nil : candidate.release,
                    lastSeen: candidate.lastSeen, cause: cause, reason: reason, bytes: bytes))
        }
        return removals
    }
}

/// How many kernels have their tree in each pack: a pack that the last one leaves is likely to go.
private struct PackUsage {
    private var kernels: [Int: Int] = [:]
    private var sizes: [Int: Int] = [:]
    /// Of all packs but those whose trees no kernel has any more.
    private(set) var bytes = 0

    init(_ database: Database) throws {
        for row in try Row.fetchAll(
            database,
            sql: """
                SELECT pack.id, pack.bytes, count(tree.id) AS trees, count(kernel.buildID) AS kernels FROM pack
                    LEFT JOIN tree ON tree.pack = pack.id LEFT JOIN kernel ON kernel.tree = tree.id GROUP BY pack.id
                """)
        {
            let id: Int = row["id"]
            kernels[id] = row["kernels"]
            sizes[id] = row["bytes"]
            if row["trees"] == 0 || row["kernels"] > 0 { bytes += row["bytes"] as Int }
        }
    }

    /// - Returns: the bytes of the pack if that was the last kernel of it.
    mutating func leave(_ pack: Int) -> Int {
        kernels[pack, default: 0] -= 1
        return kernels[pack] == 0 ? sizes[pack] ?? 0 : 0
    }
}
