import GRDB
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// The list of kernels against a look at all of them.
@Suite struct KernelFilterTests {
    private static func passes(_ query: KernelQuery, _ row: KernelRow) -> Bool {
        let kernel = row.entry
        func equal<Value: Equatable>(_ wanted: Value?, _ value: Value?) -> Bool { wanted == nil || wanted == value }
        return equal(query.release, kernel.identity.release)
            && (query.releaseGlob == nil
                || (kernel.identity.release ?? "").hasPrefix(query.releaseGlob?.dropLast() ?? ""))
            && equal(query.architecture, kernel.identity.architecture?.machine)
            && equal(query.distribution, kernel.distribution)
            && equal(query.hasHeaders, kernel.headers != nil) && equal(query.hasBTF, row.hasBTFHere)
            && equal(query.hasPCH, kernel.hasPCH) && equal(query.source, kernel.headers?.source)
            && equal(query.hasConflicts, kernel.conflicts > 0) && equal(query.isPinned, kernel.pin != nil)
            && equal(query.isDamaged, !kernel.damaged.isEmpty) && equal(query.isRunning, kernel.hosts > 0)
            && (query.isPurged.map { $0 == (kernel.purge != nil) } ?? (kernel.purge == nil || kernel.hosts > 0))
            && (query.seenSince.map { kernel.lastSeen >= $0 } ?? true)
    }

    /// In the order of a query, without SQL.
    private static func sorted(_ query: KernelQuery, _ rows: [KernelRow]) -> [BuildID] {
        func isBefore(_ one: KernelEntry, _ other: KernelEntry) -> Bool {
            let (first, second) = (one.identity.buildID, other.identity.buildID)
            switch query.sort {
            case .release:
                let (left, right) = (
                    Array((one.identity.release ?? "").utf8), Array((other.identity.release ?? "").utf8)
                )
                return left == right ? first < second : left.lexicographicallyPrecedes(right)
            case .lastSeen: return (one.lastSeen, first) < (other.lastSeen, second)
            case .firstSeen: return (one.firstSeen, first) < (other.firstSeen, second)
            case .hosts: return (one.hosts, first) < (other.hosts, second)
            }
        }
        let ids = rows.map(\.entry).sorted(by: isBefore).map(\.identity.buildID)
        return query.isDescending ?? query.sort.isDescending ? ids.reversed() : ids
    }

    @Test func pagesAreTheKernelsThatPassInTheirOrder() throws {
        try withTemporaryFolder { folder in
            let filled = try FilledCatalogue(in: folder, kernels: 601, hosts: 0)
            // As the headers of all are told by their rows: the catalogue's own are in a single tree.
            try filled.catalogue.write { database in
                try database.execute(sql: "UPDATE sighted SET trust = 3 WHERE trust IS NOT NULL AND purgedAt IS NULL")
                try database.execute(sql: "UPDATE sighted SET trust = NULL WHERE purgedAt IS NOT NULL")
                try database.execute(
                    sql: """
                        INSERT OR IGNORE INTO kernel (buildID, release, source, tree, archiveDigest, firstSeen, lastSeen)
                            SELECT buildID, release, 'push', 1, x'02', firstSeen, lastSeen FROM sighted WHERE trust = 3
                        """)
            }
            let all = try filled.all()
            try filled.catalogue.pool.read { database in
                for sort in KernelQuery.Sort.allCases {
                    for (name, set) in KernelPagesTests.filters {
                        for (isDescending, limit, window) in [
                            (false, 500, 100_000), (true, 97, 700), (nil, 4001, 2500),
                        ] {
                            var query = KernelQuery(sort: sort, limit: limit)
                            query.isDescending = isDescending
                            set(&query)
                            let expected = Self.sorted(query, all.filter { Self.passes(query, $0) })
                            #expect(!expected.isEmpty, "\(name)")
                            var found: [BuildID] = []
                            var place: KernelCursor?
                            repeat {
                                let page = try filled.catalogue.kernels(
                                    query, headersFolder: nil, after: place, limit: limit, window: window, database)
                                #expect(page.rows.count <= limit)
                                found += page.rows.map(\.entry.identity.buildID)
                                place = try page.next.map { try KernelCursor("\($0)", for: KernelCursor.Order(query)) }
                            } while place != nil && found.count <= expected.count
                            #expect(found == expected, "\(name), by \(sort), \(limit)")
                        }
                    }
                }
            }
        }
    }

    /// The kernels that come while somebody turns pages are neither shown twice, nor do they hide others.
    @Test(arguments: KernelQuery.Sort.allCases)
    func pagesStayRightWhileRowsAreAdded(sort: KernelQuery.Sort) throws {
        try withTemporaryFolder { folder in
            let filled = try FilledCatalogue(in: folder, kernels: 1000, hosts: 0)
            var query = KernelQuery(sort: sort, limit: 90)
            query.isPurged = false
            let before = Set(try filled.all().filter { $0.entry.purge == nil }.map(\.entry.identity.buildID))
            var found: [BuildID] = []
            var place: KernelCursor?
            var pages = 0
            repeat {
                let page = try filled.catalogue.pool.read { [place] in
                    try filled.catalogue.kernels(query, headersFolder: nil, after: place, limit: 90, $0)
                }
                found += page.rows.map(\.entry.identity.buildID)
                place = page.next
                pages += 1
                try filled.catalogue.write { [pages] database in
                    for number in 0..<20 {
                        try database.execute(
                            sql: """
                                INSERT INTO sighted (buildID, release, firstSeen, lastSeen, hosts) VALUES (?, ?, ?, ?, ?)
                                """,
                            arguments: [
                                BuildID(bytes: [0xFF, UInt8(pages), UInt8(number)]), "6.\(number)", 1000 + number * 200,
                                7000 + number * 200, number,
                            ])
                    }
                }
            } while place != nil && pages < 50
            #expect(place == nil)
            #expect(Set(found).count == found.count)
            #expect(Set(found).isSuperset(of: before))
        }
    }

    @Test func aCursorIsOfItsOrder() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for id in [1, 2] as [UInt8] { try await store.put(try StoredKernel(id: id, files: ["include/a.h": [id]])) }
            var query = KernelQuery(sort: .hosts, limit: 1)
            query.cursor = try await store.kernels(query).next
            #expect(query.cursor != nil)
            #expect(try await store.kernels(query).kernels.count == 1)
            query.hasHeaders = true
            #expect(try await store.kernels(query).kernels.count == 1)
            for change in [
                { $0.sort = .lastSeen }, { $0.isDescending = false }, { $0.sort = .release },
            ] as [(inout KernelQuery) -> Void] {
                var other = query
                change(&other)
                let problem = await #expect(throws: Problem.self) { try await store.kernels(other) }
                #expect(problem?.code == .cursorMismatch)
            }
        }
    }

    @Test(
        arguments: [
            ("6.1.0-56-amd64", nil, "debian"), ("6.8.0-45-generic", nil, "ubuntu"),
            ("6.11.4-301.fc41.x86_64", nil, "fedora"),
            ("5.14.0-503.11.1.el9_5.x86_64", nil, "rhel"),
            ("6.1.112-122.189.amzn2023.x86_64", "(mockbuild@host)", "amazon"),
            ("5.14.0-503.el9", "(mockbuild@iad1-prod-build001.bld.equ.rockylinux.org)", "rocky"),
            ("6.1.0-56-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.187-1 (2026-11-02)", "debian"),
            ("6.8.0-45-generic", "#45-Ubuntu SMP PREEMPT_DYNAMIC", "ubuntu"),
            ("6.6.36.6-microsoft-standard-WSL2", nil, "wsl"),
            ("6.12.1", "#1 SMP mine", nil), (nil, nil, nil), ("", "", nil),
        ] as [(String?, String?, String?)])
    func theBuilderOfAKernelIsToldByItsLabels(release: String?, versionLine: String?, name: String?) {
        #expect(KernelDistribution.name(release: release, versionLine: versionLine) == name)
    }
}
