import GRDB
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// What reading decompresses, whatever the store holds.
@Suite struct BoundedReadingTests {
    private static let files = 36
    private static let fileBytes = 40 << 10

    /// A line of revisions, of which each changes a few files of those of the one before.
    private static func revisions(_ count: Int, changed: Int = 3) throws -> [StoredKernel] {
        var random = SeededGenerator(seed: "revisions")
        var files: [String: [UInt8]] = [:]
        for number in 0..<Self.files {
            files["include/linux/\(number).h"] = IngestTests.text(seed: "\(number)", bytes: fileBytes)
        }
        return try (1...count).map { revision in
            for _ in 0..<changed {
                let path = "include/linux/\(random.next() % UInt64(Self.files)).h"
                let line = Array("#define CHANGED_IN \(revision)\n".utf8)
                files[path]?.replaceSubrange(0..<line.count, with: line)
            }
            return try StoredKernel(id: UInt8(revision), files: files)
        }
    }

    /// A store's trees, read from its closed folder.
    private struct Reader {
        let catalogue: Catalogue
        let content: ContentReader

        init(_ state: String) throws {
            let layout = StoreLayout(root: state)
            catalogue = try Catalogue(path: layout.catalogue)
            content = ContentReader(catalogue: catalogue, layout: layout)
        }

        /// What reading a tree decompresses: its blocks, and its manifest with those above.
        func cost(_ kernel: StoredKernel) throws -> (blocks: Int, manifests: Int) {
            let tree = try content.tree(kernel.manifest.digest)
            let reading = TreeReading(content)
            let locations = try content.locations(of: tree.numbers.compactMap(\.self))
            for location in locations { _ = try reading.contents(location) }
            let forecast = try BlockGraph(content: content).forecast(
                locations.map { BlockKey(pack: $0.pack, block: $0.block) })
            #expect(forecast.values.reduce(0, +) == reading.decompressedBytes)
            let manifests = try catalogue.pool.read { try catalogue.manifestBytes(ofTree: tree.row.id, $0) }
            return (reading.decompressedBytes, manifests)
        }

        func blobs() throws -> Int {
            try catalogue.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM blob") ?? 0 }
        }

        /// How many contents are stored more than once.
        func repeated() throws -> Int {
            try catalogue.pool.read {
                try Int.fetchOne($0, sql: "SELECT count(*) - count(DISTINCT digest) FROM blob") ?? 0
            }
        }
    }

    @Test func aTreeTakesAtMostThreeTimesItsBytesHoweverManyCameBefore() async throws {
        let (revisions, more) = (try Self.revisions(150), try Self.revisions(200).dropFirst(150))
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in revisions.prefix(60) { try await store.put(kernel) }
            try store.close()
            let early = try Reader(state)
            let before = try revisions.prefix(60).map { try early.cost($0).blocks }
            try early.catalogue.close()

            let again = try HeaderStore(folder: state)
            for kernel in revisions.dropFirst(60) { try await again.put(kernel) }
            try again.close()
            let reader = try Reader(state)
            let costs = try revisions.map { try reader.cost($0) }
            for (kernel, cost) in zip(revisions, costs) {
                let bytes = kernel.manifest.contentBytes
                #expect(bytes * BlockPlan.treeFactor > BlockPlan.fileBytes)
                #expect(cost.blocks + cost.manifests <= BlockPlan.treeFactor * bytes)
            }
            // What came later changed nothing for those that were there.
            #expect(costs.prefix(60).map(\.blocks) == before)
            // It would have been more if nothing had been stored once more.
            let (copies, all) = (try reader.repeated(), try reader.blobs())
            #expect(copies > 0 && copies <= all - copies)
            // Were there as many copies as contents, no more would come: trees cost more then.
            try await reader.catalogue.pool.write { try $0.execute(sql: "UPDATE pack SET blobs = 0") }
            try reader.catalogue.close()
            let full = try HeaderStore(folder: state)
            for kernel in more { try await full.put(kernel) }
            for kernel in [revisions[0], revisions[75], revisions[149], more[199]] {
                try await full.requireWhole(kernel)
            }
            try full.close()
            let last = try Reader(state)
            #expect(try last.repeated() == copies)
            #expect(try more.contains { try last.cost($0).blocks > BlockPlan.treeFactor * $0.manifest.contentBytes })
            try last.catalogue.close()
        }
    }

    /// Files in ten blocks of a megabyte change at once: one block for all of them would need ten others.
    @Test func aFileTakesAtMostFourMegabytes() async throws {
        var files: [String: [UInt8]] = [:]
        for number in 0..<10 {
            files["include/linux/\(number).h"] = IngestTests.text(seed: "\(number)", bytes: 900 << 10)
        }
        // Larger than the bound: it stands alone.
        files["include/linux/large.h"] = IngestTests.text(seed: "large", bytes: 5 << 20)
        // By this one they know one another.
        let common = "include/linux/common.h"
        files[common] = IngestTests.text(seed: "common", bytes: 1000)
        var revisions = [try StoredKernel(id: 1, files: files)]
        for revision in 2...12 {
            for path in files.keys where path != common { files[path]?[revision] = UInt8(ascii: "/") }
            revisions.append(try StoredKernel(id: UInt8(revision), files: files))
        }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in revisions { try await store.put(kernel) }
            try store.close()
            let reader = try Reader(state)
            var leaning = 0
            for kernel in revisions {
                let numbers = try reader.content.tree(kernel.manifest.digest).numbers.compactMap(\.self)
                for location in try reader.content.locations(of: numbers) {
                    let reading = TreeReading(reader.content)
                    _ = try reading.contents(location)
                    #expect(reading.decompressedBytes <= max(BlockPlan.fileBytes, location.length))
                    if reading.decompressedBytes > location.length { leaning += 1 }
                }
            }
            // Each small file leans on one of another revision: the bound was not kept by leaning on nothing.
            #expect(leaning >= 100)
            try reader.catalogue.close()
        }
    }

    /// The other copy is good, and must not hide it.
    @Test func aDamagedCopyIsFoundAndComesBack() async throws {
        let revisions = try Self.revisions(120)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in revisions { try await store.put(kernel) }
            let catalogue = store.catalogue
            let (place, copies, name) = try await catalogue.pool.read { database in
                let digest = try #require(
                    try Digest.fetchOne(
                        database, sql: "SELECT digest FROM blob GROUP BY digest ORDER BY count(*) DESC LIMIT 1"))
                let places = try catalogue.places(of: digest, database).map(\.place)
                return (
                    places[places.count - 1], places.count,
                    try catalogue.packDigest(places[places.count - 1].block.pack, database)
                )
            }
            #expect(copies > 1)
            let pack = try #require(try PackOnDisk.all(in: state).first { $0.digest == name })
            let block = pack.index.blocks[place.block.block]
            // In the frame's checksum: another bit may say nothing.
            try pack.flip(at: block.offset + block.compressedLength - 1)
            #expect(try await store.verify().found >= 1)
            let lost = try await catalogue.pool.read { try catalogue.lostBlobs($0).map(\.number) }
            #expect(lost.contains(place.number))
            for kernel in revisions { try await store.put(kernel) }
            for kernel in revisions { try await store.requireWhole(kernel) }
            #expect(try await store.status().lostBlobs == 0)
            try store.close()
        }
    }

    @Test func theWindowLetsGoOfTheLeastRecentlyUsed() {
        var window = BlockWindow<Int>(limit: 10)
        func key(_ block: Int) -> BlockKey { BlockKey(pack: 1, block: block) }
        for block in 0..<3 { window.keep(block, bytes: 3, for: key(block)) }
        #expect(window.value(key(0)) == 0)
        window.keep(3, bytes: 3, for: key(3))
        #expect(window.value(key(1)) == nil)
        #expect([0, 2, 3].map { window.value(key($0)) } == [0, 2, 3])
        // One that is larger than all pushes out all, and itself.
        window.keep(4, bytes: 11, for: key(4))
        #expect((0...4).allSatisfy { window.value(key($0)) == nil })
        for block in 5..<500 { window.keep(block, bytes: 3, for: key(block)) }
        #expect((5..<500).filter { window.value(key($0)) != nil } == [497, 498, 499])
    }
}
