import GRDB
import Glibc
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// That a page takes as long, wherever it is and however many kernels and hosts there are.
@Suite struct KernelPagesTests {
    /// Each filter by itself, with a value that some kernels pass.
    static let filters: [(name: String, set: @Sendable (inout KernelQuery) -> Void)] = [
        ("none", { _ in }),
        ("release", { $0.release = "6.1.1-0-amd64" }),
        ("releaseGlob", { $0.releaseGlob = "6.1.*" }),
        ("architecture", { $0.architecture = "aarch64" }),
        ("distribution", { $0.distribution = "ubuntu" }),
        ("headers", { $0.hasHeaders = true }), ("no headers", { $0.hasHeaders = false }),
        ("btf", { $0.hasBTF = true }), ("no btf", { $0.hasBTF = false }),
        ("pch", { $0.hasPCH = true }), ("no pch", { $0.hasPCH = false }),
        ("source", { $0.source = .push }),
        ("conflict", { $0.hasConflicts = true }), ("no conflict", { $0.hasConflicts = false }),
        ("damaged", { $0.isDamaged = true }), ("not damaged", { $0.isDamaged = false }),
        ("pinned", { $0.isPinned = true }), ("not pinned", { $0.isPinned = false }),
        ("running", { $0.isRunning = true }), ("not running", { $0.isRunning = false }),
        ("purged", { $0.isPurged = true }), ("not purged", { $0.isPurged = false }),
        ("seenSince", { $0.seenSince = 9000 }),
        (
            "several",
            {
                $0.releaseGlob = "6.*"
                $0.architecture = "x86_64"
                $0.hasHeaders = false
                $0.isRunning = true
                $0.seenSince = 8000
            }
        ),
    ]

    /// A statement for each filter, order, direction, and place.
    private static func statements() -> [(name: String, query: Catalogue.Query)] {
        var statements: [(String, Catalogue.Query)] = []
        let id = BuildID(bytes: [UInt8](repeating: 1, count: 20))
        for sort in KernelQuery.Sort.allCases {
            for isDescending in [false, true] {
                var query = KernelQuery(sort: sort)
                query.isDescending = isDescending
                let order = KernelCursor.Order(query)
                let value: KernelCursor.Value = sort == .release ? .text("6.1") : .number(7)
                let place = id.map { KernelCursor(order: order, value: value, id: $0) }
                for (name, set) in filters {
                    var query = query
                    set(&query)
                    for (start, end) in [(nil, nil), (place, nil), (nil, place), (place, place)] {
                        statements.append(
                            (
                                "\(name), by \(order.name), \(start == nil ? "first" : "next")",
                                Catalogue.page(query, headersFolder: nil, after: start, upTo: end, limit: 51)
                            ))
                    }
                }
                let metadata = Catalogue.page(query, headersFolder: "*", after: nil, upTo: place, limit: 51)
                statements.append(("/metadata, by \(order.name)", metadata))
                for start in [nil, place] {
                    statements.append(("stretch, by \(order.name)", Catalogue.end(order, 100, after: start)))
                }
            }
        }
        return statements
    }

    /// How SQLite goes about a statement.
    private static func plan(_ query: Catalogue.Query, _ database: Database) throws -> [String] {
        try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN \(query.sql)", arguments: query.arguments)
            .map { $0["detail"] }
    }

    @Test func everyFilterInEveryOrderIsReadByTheIndexOfTheOrder() throws {
        try withTemporaryFolder { folder in
            let filled = try FilledCatalogue(in: folder, kernels: 300, hosts: 600)
            // With figures of the tables, and without.
            for analyses in [false, true] {
                if analyses { try filled.catalogue.write { try $0.execute(sql: "ANALYZE") } }
                try filled.catalogue.pool.read { database in
                    var plans: [String: Int] = [:]
                    for (name, query) in Self.statements() {
                        let plan = try Self.plan(query, database)
                        plans[plan.joined(separator: "; "), default: 0] += 1
                        #expect(
                            !plan.contains { $0.contains("SCAN") || $0.contains("TEMP B-TREE") }, "\(name): \(plan)")
                        let first = try #require(plan.first)
                        #expect(first.contains("SEARCH sighted USING"), "\(name): \(plan)")
                        #expect(
                            query.sql.contains("INDEXED BY sighted_") && first.contains("INDEX sighted_"), "\(name)")
                    }
                    for (plan, count) in plans.sorted(by: { $0.key < $1.key }) {
                        print("\(count) statements, \(analyses ? "with" : "without") figures: \(plan)")
                    }
                }
            }
        }
    }

    @Test func hostsAndConflictsAreReadByAnIndex() throws {
        try withTemporaryFolder { folder in
            let filled = try FilledCatalogue(in: folder, kernels: 300, hosts: 600)
            let id = try #require(BuildID("ab"))
            let host = try #require(HostID(bytes: [UInt8](repeating: 1, count: HostID.length)))
            let digest = KernelHeaders.Digest(of: [])
            let queries = [
                Catalogue.hosts(of: id, digest: nil, after: nil, limit: 9),
                Catalogue.hosts(of: id, digest: nil, after: host, limit: 9),
                Catalogue.hosts(of: id, digest: digest, after: host, limit: 9),
                Catalogue.conflicting(after: nil, limit: 9), Catalogue.conflicting(after: id, limit: 9),
            ]
            try filled.catalogue.pool.read { database in
                for query in queries {
                    let plan = try Self.plan(query, database)
                    print(plan.joined(separator: "; "))
                    #expect(!plan.contains { $0.contains("SCAN") || $0.contains("TEMP B-TREE") }, "\(plan)")
                }
            }
        }
    }

    /// The list is kept by triggers, none of which a check-in sets off; what it does is to count a new host.
    @Test func aCheckInWritesItsOwnRowsAndNoOthers() throws {
        try withTemporaryFolder { folder in
            let filled = try FilledCatalogue(in: folder, kernels: 300, hosts: 600)
            func changes(host: UInt8, of id: BuildID, boot: String) throws -> Int {
                let sighting = Sighting(
                    host: try #require(HostID(bytes: [UInt8](repeating: host, count: HostID.length))), bootID: boot,
                    agent: "test/1", kernel: KernelIdentity(buildID: id, release: "6.1"),
                    steps: [CollectStep(.sysfs, .usable)], offers: [])
                var forgotten = Catalogue.Forgotten()
                return try filled.catalogue.write { database in
                    let before = database.totalChangesCount
                    _ = try filled.catalogue.put(sighting, by: "", at: 9000, HostRules(), &forgotten, database)
                    return database.totalChangesCount - before
                }
            }
            let (known, new) = (
                try #require(try filled.all().first?.entry.identity.buildID), try #require(BuildID("ab"))
            )
            // The kernel's labels and count, the report, the finding, the host, and how many there are.
            #expect(try changes(host: 1, of: known, boot: "1") == 6)
            #expect(try changes(host: 1, of: known, boot: "1") == 0)
            // A reboot: the kernel's time, and the host.
            #expect(try changes(host: 1, of: known, boot: "2") == 2)
            #expect(try changes(host: 2, of: known, boot: "1") == 5)
            // To another kernel: the old one's count and finding, too, and how many kernels only hosts know.
            #expect(try changes(host: 2, of: new, boot: "2") == 7)
            #expect(try changes(host: 3, of: new, boot: "1") == 5)
        }
    }

    /// The work of a statement, in SQLite's own steps, which no other process disturbs.
    private struct Work {
        var rows: Int
        var steps: Int
        /// Steps of a scan without an index, and rows that had to be sorted.
        var scanned: Int
        var sorted: Int

        init(_ query: Catalogue.Query, _ database: Database) throws {
            typealias Status = @convention(c) (OpaquePointer?, CInt, CInt) -> CInt
            let symbol = try #require(dlsym(nil, "sqlite3_stmt_status"))
            let status = unsafeBitCast(symbol, to: Status.self)
            let statement = try database.makeStatement(sql: query.sql)
            rows = try Row.fetchAll(statement, arguments: query.arguments).count
            // SQLITE_STMTSTATUS_VM_STEP, _FULLSCAN_STEP and _SORT.
            steps = Int(status(statement.sqliteStatement, 4, 0))
            scanned = Int(status(statement.sqliteStatement, 1, 0))
            sorted = Int(status(statement.sqliteStatement, 2, 0))
        }
    }

    /// A hundred thousand kernels and a million hosts.
    @Test func aPageOfALargeCatalogueIsAsMuchWorkAsOneOfASmallOne() throws {
        try withTemporaryFolder { folder in
            let large = try FilledCatalogue(in: folder, kernels: 100_000, hosts: 1_000_000)
            try large.catalogue.pool.read { database in
                for sort in KernelQuery.Sort.allCases {
                    let query = KernelQuery(sort: sort, limit: 50)
                    let order = KernelCursor.Order(query)
                    var place: KernelCursor?
                    for part in 0..<5 {
                        let work = try Work(
                            Catalogue.page(query, headersFolder: nil, after: place, upTo: nil, limit: 50), database)
                        #expect(work.rows == 50 && work.scanned == 0 && work.sorted == 0)
                        #expect(work.steps < 50 * 150, "by \(order.name), part \(part)")
                        let end = Catalogue.end(order, large.kernels / 5, after: place)
                        guard let row = try Row.fetchOne(database, sql: end.sql, arguments: end.arguments) else {
                            break
                        }
                        place = KernelCursor(
                            order: order, value: sort == .release ? .text(row[0]) : .number(row[0]), id: row[1])
                    }
                    // What no kernel passes is given up at the end of a window.
                    var none = query
                    none.architecture = "none"
                    for (window, most) in [(1000, 30_000), (10_000, 300_000)] {
                        let end = try #require(
                            try Row.fetchOne(
                                database, sql: Catalogue.end(order, window, after: nil).sql,
                                arguments: Catalogue.end(order, window, after: nil).arguments))
                        let stop = KernelCursor(
                            order: order, value: sort == .release ? .text(end[0]) : .number(end[0]), id: end[1])
                        let work = try Work(
                            Catalogue.page(none, headersFolder: nil, after: nil, upTo: stop, limit: 50), database)
                        #expect(work.rows == 0 && work.steps < most, "by \(order.name): \(work.steps)")
                    }
                }
                // Where rows are read, sooner.
                var never = KernelQuery(sort: .release, limit: 50)
                never.seenSince = .max
                let given = try large.catalogue.kernels(never, headersFolder: nil, after: nil, limit: 50, database)
                let looked = try Int.fetchOne(
                    database, sql: "SELECT count(*) FROM sighted WHERE (release, buildID) <= (?, ?)",
                    arguments: KernelCursor.Order(never).start(given.next))
                #expect(given.rows.isEmpty && looked == Catalogue.maximumRowWindow)
                never.sort = .lastSeen
                #expect(
                    try large.catalogue.kernels(never, headersFolder: nil, after: nil, limit: 50, database).next == nil)
                let id: BuildID = try #require(
                    try BuildID.fetchOne(database, sql: "SELECT buildID FROM sighted WHERE id = 5"))
                var last: HostID?
                for _ in 0..<3 {
                    let work = try Work(Catalogue.hosts(of: id, digest: nil, after: last, limit: 3), database)
                    #expect(work.rows == 3 && work.steps < 300 && work.scanned == 0 && work.sorted == 0)
                    last = try large.catalogue.hosts(of: id, digest: nil, after: last, limit: 3, database).last?.host
                }
                let work = try Work(Catalogue.conflicting(after: nil, limit: 50), database)
                #expect(work.rows == 50 && work.steps < 1000)
            }
        }
    }
}
