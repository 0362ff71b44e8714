import GRDB
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// The totals of the status are what a look at all rows would have.
@Suite struct StoreTotalsTests {
    /// The sums over all rows.
    private static let sums = [
        "kernels": "count(*) FROM kernel", "trees": "count(*) FROM tree", "blobs": "count(*) FROM blob",
        "deadTrees": "count(*) FROM tree WHERE id NOT IN (SELECT tree FROM kernel)",
        "conflicts": "(SELECT count(*) FROM conflict) + (SELECT count(*) FROM otherDigest)",
        "blobBytes": "coalesce(sum(length), 0) FROM blob", "packs": "count(*) FROM pack WHERE NOT retired",
        "packBytes": "coalesce(sum(bytes), 0) FROM pack WHERE NOT retired",
        "files": "coalesce(sum(files), 0) FROM kernel JOIN tree ON tree.id = kernel.tree",
        "rawBytes": "coalesce(sum(bytes), 0) FROM kernel JOIN tree ON tree.id = kernel.tree",
        "lostBlobs": "count(*) FROM blob WHERE damaged", "hosts": "coalesce(sum(hosts), 0) FROM sighted",
        "lostBTF": "count(*) FROM sighted WHERE btfLost",
        "loosePacks": "count(*) FROM pack WHERE NOT retired AND bytes > 0 AND NOT tight",
        "loosePackBytes": "coalesce(sum(bytes), 0) FROM pack WHERE NOT retired AND NOT tight",
        "damagedKernels": "count(*) FROM kernel JOIN tree ON tree.id = kernel.tree WHERE damaged",
    ]

    private func requireTrue(_ store: HeaderStore, _ step: String) throws {
        try store.catalogue.pool.read { database in
            let row = try #require(try Row.fetchOne(database, sql: StoreTotals.query))
            #expect(row.count == Self.sums.count)
            for (name, sum) in Self.sums {
                #expect(
                    row[name] as Int? == (try Int.fetchOne(database, sql: "SELECT \(sum)")), "\(name) after \(step)")
            }
        }
    }

    @Test(arguments: 0..<4) func whateverHappensTheTotalsAreTrue(seed: Int) async throws {
        var random = SeededGenerator(seed: "totals \(seed)")
        // Two have the same tree, and two are the same kernel with another tree.
        var kernels = try (1...5).map { try StoredKernel(id: UInt8($0), revision: $0) }
        kernels.append(try StoredKernel(id: 6, revision: 1))
        kernels.append(try StoredKernel(id: 5, revision: 7))
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            for _ in 0..<30 {
                let kernel = kernels[Int(random.next() % UInt64(kernels.count))]
                let step: String
                switch random.next() % 8 {
                case 0, 1, 2, 3:
                    step = "put"
                    do {
                        try await store.put(kernel)
                    } catch let problem as Problem where problem.code == .treeConflict {}
                case 4:
                    step = "purge"
                    do {
                        try await store.purge(kernel.id)
                    } catch let problem as Problem where [.kernelUnknown, .kernelPurged].contains(problem.code) {}
                case 5:
                    step = "collect"
                    _ = try await store.collect()
                case 6:
                    step = "damage"
                    guard let pack = try PackOnDisk.all(in: state).randomElement(using: &random) else { continue }
                    try pack.flip(at: Int(random.next() % UInt64(pack.length)))
                    _ = try await store.verify()
                default:
                    step = "rebuild"
                    try store.close()
                    _ = try CatalogueRebuild(folder: state, logger: .silent).run()
                    store = try HeaderStore(folder: state)
                }
                try requireTrue(store, step)
            }
            try store.close()
        }
    }

    /// A catalogue from before the totals were kept.
    @Test func anOlderCatalogueIsSummedUp() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for number in 1...3 { try await store.put(try StoredKernel(id: UInt8(number), revision: number)) }
            try await store.purge(try StoredKernel(id: 1, revision: 1).id)
            try await store.catalogue.pool.write { database in
                for name in try String.fetchAll(
                    database, sql: "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'total%'")
                {
                    try database.execute(sql: "DROP TRIGGER \(name)")
                }
                try database.execute(sql: "DROP TABLE total")
                try database.execute(sql: StoreTotals.schema)
            }
            try requireTrue(store, "the migration")
            #expect(try await store.status().deadTrees == 1)
            try store.close()
        }
    }

    /// No look at each blob, tree or pack, for any request.
    @Test func theStatusReadsNoWholeTable() throws {
        try withTemporaryFolder { folder in
            let catalogue = try Catalogue(path: folder.path("catalogue"))
            let plan = try catalogue.pool.read { database in
                try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN \(StoreTotals.query)").map {
                    $0["detail"] as String
                }
            }
            let scans = plan.filter { $0.hasPrefix("SCAN ") && $0 != "SCAN total" && $0 != "SCAN CONSTANT ROW" }
            let whole = scans.filter {
                !$0.contains("_damaged") && !$0.contains("sighted_btfLost") && !$0.contains("pack_loose")
            }
            #expect(whole == [], "\(plan)")
            #expect(scans.count == 5 && plan.contains { $0.contains("sighted_hosts (hosts>?)") }, "\(plan)")
        }
    }
}
