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

        init(_ state: String, knownEntries: Int = ContentReader.knownEntries) throws {
            let layout = StoreLayout(root: state)
            catalogue = try Catalogue(path: layout.catalogue)
            content = ContentReader(catalogue: catalogue, layout: layout, knownEntries: knownEntries)
        }

        /// The blocks of a tree's pack.
        func blocks(_ kernel: StoredKernel) throws -> [BlockKey] {
            try catalogue.pool.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT DISTINCT blob.pack, block FROM blob JOIN tree ON tree.pack = blob.pack
                        WHERE tree.digest = ?
                        """, arguments: [kernel.manifest.digest]
                ).map { BlockKey(pack: $0[0], block: $0[1]) }
            }
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

        /// How many contents are stored more than once.
        func repeated() throws -> Int {
            try catalogue.pool.read {
                try Int.fetchOne($0, sql: "SELECT count(*) - count(DISTINCT digest) FROM blob") ?? 0
            }
        }
    }

    /// Kernels that have nothing in common, and one that has a few files of each.
    private static func scattered() throws -> (all: [StoredKernel], last: StoredKernel) {
        var some: [String: [UInt8]] = [:]
        let all = try (1...9).map { id in
            var files: [String: [UInt8]] = [:]
            for number in 0..<25 {
                files["include/linux/\(id)-\(number).h"] = IngestTests.text(seed: "\(id) \(number)", bytes: fileBytes)
            }
            some.merge(files.filter { $0.key.hasSuffix("0.h") || $0.key.hasSuffix("5.h") }) { one, _ in one }
            return try StoredKernel(id: UInt8(id), files: files)
        }
        return (all, try StoredKernel(id: 100, files: some))
    }

    private static func read(_ kernels: [StoredKernel], in state: String) async throws -> Reader {
        let store = try HeaderStore(folder: state)
        for kernel in kernels { try await store.put(kernel) }
        try store.close()
        return try Reader(state)
    }

    @Test func aTreeTakesAtMostThreeTimesItsBytesHoweverManyCameBefore() async throws {
        let revisions = try Self.revisions(200)
        try await withTemporaryFolder { folder in
            let reader = try await Self.read(revisions, in: folder.path("store"))
            for kernel in revisions {
                let cost = try reader.cost(kernel)
                let bytes = kernel.manifest.contentBytes
                #expect(bytes * BlockPlan.treeFactor > BlockPlan.fileBytes)
                #expect(cost.blocks + cost.manifests <= BlockPlan.treeFactor * bytes)
            }
            // What has changed again and again leans on little, and nothing is stored once more, or whole.
            #expect(try reader.repeated() == 0)
            let packs = try PackOnDisk.all(in: folder.path("store")).dropFirst()
            #expect(packs.flatMap(\.index.blocks).allSatisfy { $0.depth > 0 && $0.compressedLength < 1000 })
            try reader.catalogue.close()
            // With hardly anything in memory of how blocks lean on one another, it is the same.
            let forgetful = try Reader(folder.path("store"), knownEntries: 2)
            var walk = ManifestWalk(catalogue: forgetful.catalogue, content: forgetful.content, keptBytes: 1)
            for kernel in revisions.suffix(3) {
                #expect(try forgetful.cost(kernel).blocks <= BlockPlan.treeFactor * kernel.manifest.contentBytes)
                let tree = try forgetful.content.tree(kernel.manifest.digest)
                let raw = try walk.raw(tree.row)
                #expect(tree.row.parent != nil && raw == tree.raw)
            }
            try forgetful.catalogue.close()
        }
    }

    /// Of a hostile sender, say: else each upload would look at each block for each file.
    @Test func manyTinyFilesAreFewBlocksAndLeanOnFew() async throws {
        let count = 5000
        var files: [String: [UInt8]] = [:]
        func change(_ numbers: Range<Int>, _ text: String) throws {
            for number in numbers { files["include/linux/\(number).h"] = Array("int \(text)\(number);\n".utf8) }
        }
        try change(0..<count, "a")
        var kernels = [try StoredKernel(id: 1, files: files)]
        for (id, numbers) in [(2, 0..<1500), (3, 1500..<3000), (4, 10..<count - 10)] {
            try change(numbers, "b\(id)")
            kernels.append(try StoredKernel(id: UInt8(id), files: files))
        }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in kernels { try await store.put(kernel) }
            for kernel in kernels { try await store.requireWhole(kernel) }
            try store.close()
            let reader = try Reader(state)
            // A block has 4,096 files at most.
            #expect(try reader.blocks(kernels[0]).count == 2)
            #expect(try kernels[1...2].map { try reader.blocks($0).count } == [1500, 1500])
            let last = try reader.blocks(kernels[3])
            #expect(last.count < 10)
            var graph = BlockGraph(content: reader.content)
            let closures = try last.map { try graph.closure(of: $0).blocks.count }
            #expect(closures.allSatisfy { $0 <= BlockGraph.maximumClosure + 1 })
            #expect(closures.max() ?? 0 > BlockGraph.maximumClosure / 2)
            // It is the same if hardly any of it is kept.
            var forgetful = BlockGraph(content: reader.content, knownBlocks: 1)
            let again = try last.map { try forgetful.closure(of: $0).blocks.count }
            #expect(again == closures)
            let together = try last.reduce(into: Set()) { $0.formUnion(try graph.closure(of: $1).blocks) }
            #expect(try graph.closure(ofAll: last) == together)
            try reader.catalogue.close()
        }
    }

    /// Trees of long names: to read ever more manifests would leave nothing to the files.
    @Test func manifestsTakeNoMoreThanTheTree() async throws {
        var random = SeededGenerator(seed: "names")
        var files: [String: [UInt8]] = [:]
        for number in 0..<8600 {
            let name = (0..<8).map { _ in String(random.next(), radix: 36) }.joined().prefix(80)
            files["include/linux/\(name).h"] = IngestTests.text(seed: "\(number)", bytes: 500)
        }
        let path = try #require(files.keys.min())
        let revisions = try (1...7).map { revision in
            files[path] = Array("int of\(revision);\n".utf8)
            return try StoredKernel(id: UInt8(revision), files: files)
        }
        try await withTemporaryFolder { folder in
            let reader = try await Self.read(revisions, in: folder.path("store"))
            for kernel in revisions {
                let (cost, bytes) = (try reader.cost(kernel), kernel.manifest.contentBytes)
                #expect(bytes > BlockPlan.fileBytes && cost.manifests <= bytes)
                #expect(cost.blocks + cost.manifests <= BlockPlan.treeFactor * bytes)
            }
            let depths = try revisions.map { try reader.content.tree($0.manifest.digest).row.depth }
            #expect((1...5).contains(depths.max() ?? 0))
            #expect(try reader.repeated() == 0)
            try reader.catalogue.close()
        }
    }

    @Test func whatLiesTooFarApartIsStoredOnceMore() async throws {
        let (all, last) = try Self.scattered()
        try await withTemporaryFolder { folder in
            for copies in [true, false] {
                let state = folder.path("\(copies)")
                let store = try HeaderStore(folder: state)
                for kernel in all { try await store.put(kernel) }
                // Were there as many copies as contents, no more would come: trees cost more then.
                if !copies { try await store.catalogue.pool.write { try $0.execute(sql: "UPDATE pack SET blobs = 0") } }
                try await store.put(last)
                try await store.requireWhole(last)
                try store.close()
                let reader = try Reader(state)
                let (cost, limit) = (try reader.cost(last), BlockPlan.treeFactor * last.manifest.contentBytes)
                #expect(limit > BlockPlan.fileBytes)
                #expect((cost.blocks + cost.manifests <= limit) == copies)
                #expect((try reader.repeated() > 0) == copies)
                // Nothing changed for those that were there.
                for kernel in all { #expect(try reader.cost(kernel).blocks == kernel.manifest.contentBytes) }
                if copies { try requireChoice(last, reader) }
                try reader.catalogue.close()
            }
        }
    }

    /// The best of few places are chosen; of too many, the newest.
    private func requireChoice(_ kernel: StoredKernel, _ reader: Reader) throws {
        var graph = BlockGraph(content: reader.content)
        var places: [Digest: [BlobPlace]] = [:]
        for case .file(_, let digest, _) in kernel.manifest.entries.map(\.kind) {
            places[digest] = try reader.content.places(of: digest)
        }
        let oldest = places.mapValues { Array($0.reversed()) }
        let best = try graph.fewest(oldest, of: kernel.manifest).mapValues(\.number)
        let first = try graph.fewest(oldest, of: kernel.manifest, among: 0).mapValues(\.number)
        #expect(first == oldest.compactMapValues { $0.first?.number } && best != first)
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
            let reader = try await Self.read(revisions, in: folder.path("store"))
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
        let (all, last) = try Self.scattered()
        let kernels = all + [last]
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in kernels { try await store.put(kernel) }
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
            for kernel in kernels { try await store.put(kernel) }
            for kernel in kernels { try await store.requireWhole(kernel) }
            #expect(try await store.status().lostBlobs == 0)
            try store.close()
        }
    }

    /// To read one copy, or the tree, must not take the others, too; nor must a tree that has all of its files' copies.
    @Test func whatWasLostUnderSeveralNumbersComesBackInBlocksOfItsOwn() async throws {
        var files = ["include/linux/large.h": IngestTests.text(seed: "large", bytes: 1500 << 10)]
        for number in 0..<20 {
            files["include/linux/\(number).h"] = IngestTests.text(seed: "\(number)", bytes: 1000)
        }
        let kernel = try StoredKernel(id: 1, files: files)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(kernel)
            // Twice more, as a tree has them whose files lie too far apart.
            let contents = Array(kernel.contents.values)
            try await Self.store(contents + contents, in: store)
            for pack in try PackOnDisk.all(in: state) { try Self.damageBlocks(of: pack) }
            #expect(try await store.verify().found == 2)
            #expect(try await store.status().lostBlobs == 3 * contents.count)
            try await store.put(kernel)
            try await store.requireWhole(kernel)
            #expect(try await store.status().lostBlobs == 0)
            try store.close()
            let reader = try Reader(state)
            #expect(try reader.repeated() == 2 * contents.count)
            #expect(try reader.cost(kernel).blocks == kernel.manifest.contentBytes)
            for copy in 0..<3 {
                let numbers = try contents.map { try reader.content.places(of: Digest(of: $0))[copy].number }
                let all = TreeReading(reader.content)
                for location in try reader.content.locations(of: numbers) {
                    let reading = TreeReading(reader.content)
                    #expect(Digest(of: try reading.contents(location)) == location.digest)
                    #expect(reading.decompressedBytes <= BlockPlan.fileBytes)
                    _ = try all.contents(location)
                }
                #expect(all.decompressedBytes == kernel.manifest.contentBytes)
            }
            try reader.catalogue.close()
        }
    }

    /// The tree has a good copy of a file, and pays nothing for another one, which comes back with what it has lost.
    @Test func whatOnlyOtherTreesHaveLostComesBackInABlockOfItsOwn() async throws {
        let (lost, good) = (("include/linux/1.h", [UInt8](1...100)), ("include/linux/2.h", [UInt8](101...200)))
        let first = try StoredKernel(id: 1, files: [lost.0: lost.1])
        let kernel = try StoredKernel(id: 2, files: [lost.0: lost.1, good.0: good.1])
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in [first, kernel] { try await store.put(kernel) }
            let copy = try await Self.store([good.1], in: store)
            for pack in try PackOnDisk.all(in: state)
            where try pack.digest == copy || pack.digest == PackOnDisk.of(first, in: state).digest {
                try Self.damageBlocks(of: pack)
            }
            #expect(try await store.verify().found == 2)
            #expect(try await store.status().lostBlobs == 2)
            try await store.put(kernel)
            for kernel in [first, kernel] { try await store.requireWhole(kernel) }
            #expect(try await store.status().lostBlobs == 0)
            try store.close()
            let reader = try Reader(state)
            #expect(try reader.repeated() == 1)
            for kernel in [first, kernel] { #expect(try reader.cost(kernel).blocks == kernel.manifest.contentBytes) }
            try reader.catalogue.close()
        }
    }

    /// Stores contents, each in a block of its own, that no tree has under these numbers.
    @discardableResult
    private static func store(_ all: [[UInt8]], in store: HeaderStore) async throws -> Digest {
        let catalogue = store.catalogue
        var number = try await catalogue.pool.read { try catalogue.nextBlobNumber($0) }
        let pack = try PackWriter(files: PosixFileSystem(), layout: store.layout)
        for contents in all {
            try pack.addBlock(
                contents, blobs: [(number, Digest(of: contents), contents.count)], prefix: .none, level: 1)
            number += 1
        }
        let (name, bytes, index) = (try pack.commit(to: store.layout), pack.length, pack.index)
        try await catalogue.pool.write { try catalogue.insert(pack: name, bytes: bytes, index: index, $0) }
        return name
    }

    private static func damageBlocks(of pack: PackOnDisk) throws {
        // In the frames' checksums: another bit may say nothing.
        for block in pack.index.blocks { try pack.flip(at: block.offset + block.compressedLength - 1) }
    }

    @Test func theWindowLetsGoOfTheLeastRecentlyUsed() {
        var window = BlockWindow<Int>(limit: 10)
        func key(_ block: Int) -> BlockKey { BlockKey(pack: 1, block: block) }
        for block in 0..<3 { window.keep(block, bytes: 3, for: key(block)) }
        #expect(window.value(key(0)) == 0)
        window.keep(3, bytes: 3, for: key(3))
        #expect(window.value(key(1)) == nil)
        #expect([0, 2, 3].map { window.value(key($0)) } == [0, 2, 3])
        // One that is larger than all pushes out all others.
        window.keep(4, bytes: 11, for: key(4))
        #expect((0...4).filter { window.value(key($0)) != nil } == [4])
        for block in 5..<500 { window.keep(block, bytes: 3, for: key(block)) }
        #expect((5..<500).filter { window.value(key($0)) != nil } == [497, 498, 499])
    }
}
