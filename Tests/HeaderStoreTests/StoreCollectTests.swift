import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// What nothing refers to goes, and nothing else.
@Suite struct StoreCollectTests {
    private let first: StoredKernel
    private let second: StoredKernel
    private let third: StoredKernel

    init() throws {
        first = try StoredKernel(id: 1, revision: 1)
        second = try StoredKernel(id: 2, revision: 2)
        third = try StoredKernel(id: 3, revision: 3)
    }

    @Test func aStoreWithoutGarbageStaysAsItIs() async throws {
        try await withStore { state, store in
            let packs = try FolderListing.names(in: "\(state)/packs").sorted()
            let result = try await store.collect()
            #expect(
                result.packsRewritten == 0 && result.packsRemoved == 0 && result.freedBytes == 0 && result.trees == 0)
            #expect(result.run == 1 && result.state == .idle && result.failure == nil)
            #expect(try FolderListing.names(in: "\(state)/packs").sorted() == packs)
        }
    }

    /// Manifests and blocks of later kernels lean on those of the one that goes.
    @Test(arguments: [[1], [2], [3], [1, 2], [2, 3], [1, 3]])
    func removedKernelsGoAndTheOthersStay(removed: [Int]) async throws {
        try await withStore { state, store in
            let all = [first, second, third]
            let gone = removed.map { all[$0 - 1] }
            let left = all.filter { kernel in !gone.contains { $0.id == kernel.id } }
            for kernel in all { _ = try await store.bundleBytes(kernel, .tarGzip) }
            for kernel in gone { try store.remove(kernel) }
            let before = try FolderListing.names(in: "\(state)/packs").sorted()
            let plan = try await store.collectDryRun()
            #expect(plan.isDryRun && plan.trees == gone.count && plan.freedBytes > 0 && plan.derived == gone.count)
            #expect(try FolderListing.names(in: "\(state)/packs").sorted() == before)
            #expect(store.collection.run == 0)

            let result = try await store.collect()
            #expect(result.trees == plan.trees && result.blobs == plan.blobs && result.blobBytes == plan.blobBytes)
            #expect(result.packsRemoved == plan.packsRemoved && result.packsRewritten == plan.packsRewritten)
            #expect(result.derived == gone.count)
            try await store.requireNoStrays(in: state)
            for kernel in left { try await store.requireWhole(kernel) }
            for kernel in gone {
                let problem = await #expect(throws: Problem.self) {
                    _ = try await store.manifest(of: kernel.manifest.digest)
                }
                #expect(problem?.code == .treeUnknown)
            }
            #expect(try await store.status().trees == left.count)
            #expect(try await store.verify().found == 0)
            // Once more, there is nothing to do.
            let again = try await store.collect()
            #expect(again.packsRewritten == 0 && again.packsRemoved == 0)
            try store.close()
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.kernels == left.count && report.unusedPacks == [])
            let rebuilt = try HeaderStore(folder: state)
            for kernel in left { try await rebuilt.requireWhole(kernel) }
            for kernel in gone { #expect(try await rebuilt.put(kernel).isNew) }
            for kernel in all { try await rebuilt.requireWhole(kernel) }
            try rebuilt.close()
        }
    }

    @Test func whenAllIsRemovedNothingIsLeftAndNumbersDoNotComeAgain() async throws {
        try await withStore { state, store in
            let next = try store.catalogue.nextBlobNumber()
            for kernel in [first, second, third] { try store.remove(kernel) }
            let result = try await store.collect()
            #expect(result.packsRemoved == 3 && result.packsRewritten == 0)
            let status = try await store.status()
            #expect(status.packs == 0 && status.blobs == 0 && status.trees == 0 && status.packBytes == 0)
            try await store.requireNoStrays(in: state)
            try await store.put(first)
            try await store.requireWhole(first)
            #expect(try PackOnDisk.of(first, in: state).index.blobs.allSatisfy { $0.number >= next })
        }
    }

    /// Who looked something up before, or has the pack open, reads right bytes after.
    @Test func readersGoOnReadingWhatMoved() async throws {
        try await withStore { state, store in
            let tree = try store.content.tree(first.manifest.digest)
            let locations = try store.content.locations(of: tree.numbers.compactMap(\.self))
            let reader = ContentReader(catalogue: store.catalogue, layout: store.layout)
            _ = try reader.contents(locations[0])
            try store.remove(second)
            try store.remove(third)
            // The first one's pack has to be written anew, too: as if half of it were dead.
            let map = try PackMap(store.catalogue, store.layout)
            let rewrite = PackRewrite(
                catalogue: store.catalogue, content: store.content, files: PosixFileSystem(), layout: store.layout,
                disk: store.disk, unsettled: store.unsettled)
            let old = try PackOnDisk.of(first, in: state)
            let pack = try #require(map.packs.first { $0.digest == old.digest })
            try rewrite.run(pack, isDead: { _ in false }, deadTrees: [], farewell: .remove)
            _ = try await store.collect()
            #expect(try !FolderListing.names(in: "\(state)/packs").contains("\(old.digest).khpack"))
            for location in locations {
                #expect(Digest(of: try reader.contents(location)) == location.digest)
                #expect(Digest(of: try store.content.contents(location)) == location.digest)
            }
            try await store.requireWhole(first)
        }
    }

    @Test func aPackThatIsMostlyDeadIsWrittenAnewAndOneThatIsNotIsLeft() async throws {
        let large = (0..<4).map { number in (0..<50_000).map { UInt8(truncatingIfNeeded: ($0 &* $0) >> (5 + number)) } }
        func kernel(_ id: UInt8, _ files: Int...) throws -> StoredKernel {
            var all = ["include/linux/bpf.h": [UInt8(1)]]
            for file in files { all["include/\(file).h"] = large[file] }
            return try StoredKernel(id: id, files: all)
        }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            let (base, three, one) = (try kernel(1, 0, 1, 2, 3), try kernel(2, 0, 1, 2), try kernel(3, 0))
            for kernel in [base, three, one] { try await store.put(kernel) }
            let pack = try PackOnDisk.of(base, in: state).digest
            try store.remove(base)
            // Its tree is dead: the pack is written anew without one of four files.
            #expect(try await store.collect().blobs == 1)
            let after = try #require(try PackOnDisk.all(in: state).first { !$0.index.blobs.isEmpty })
            #expect(after.digest != pack && after.index.replaced == [pack] && after.index.blobs.count == 4)
            try store.remove(three)
            #expect(try await store.collectDryRun().blobs == 2)
            #expect(try await store.collect().blobs == 2)
            let status = try await store.status()
            #expect(status.blobs == 2 && status.deadTrees == 0)
            try await store.requireWhole(one)
            try store.close()
        }
    }

    /// A flipped bit must not get a digest that makes it right.
    @Test func aDamagedPackIsNotWrittenAnew() async throws {
        try await withStore { state, store in
            let pack = try PackOnDisk.of(first, in: state)
            try store.remove(first)
            try pack.flip(at: pack.index.blocks[0].offset + 20)
            let problem = await #expect(throws: Problem.self) { try await store.collect() }
            #expect(problem?.code == .storeDamaged && problem?.detail.contains("kheader store verify") == true)
            #expect(store.collection.failure != nil && store.collection.state == .idle)
            #expect(try await store.verify().found > 0)
            _ = try await store.collect()
            #expect(try FolderListing.names(in: "\(state)/quarantine") == [])
            for kernel in [second, third] { try await store.put(kernel) }
            for kernel in [second, third] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
        }
    }

    /// What leans on a pack that can't be read is not known.
    @Test func withAPackThatCannotBeReadNothingIsRemoved() async throws {
        try await withStore { state, store in
            try store.remove(first)
            let pack = try PackOnDisk.of(third, in: state)
            try PosixFileSystem().rename(pack.path, to: "\(state)/../elsewhere")
            for isDryRun in [true, false] {
                let problem = await #expect(throws: Problem.self) {
                    _ = isDryRun ? try await store.collectDryRun() : try await store.collect()
                }
                #expect(problem?.code == .storeDamaged)
            }
            #expect(try await store.status().trees == 3)
            try PosixFileSystem().rename("\(state)/../elsewhere", to: pack.path)
            #expect(try await store.collect().trees == 1)
            for kernel in [second, third] { try await store.requireWhole(kernel) }
        }
    }

    @Test func onAFullDiskNothingIsRemovedAndNothingIsLost() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let full = SettableFlag()
            let store = try HeaderStore(folder: state) { $0.freeBytes = { full.isSet ? DiskBudget.margin : .max / 2 } }
            for kernel in [first, second] { try await store.put(kernel) }
            try store.remove(first)
            full.isSet = true
            let problem = await #expect(throws: Problem.self) { try await store.collect() }
            #expect(problem?.code == .diskFull)
            try await store.requireNoStrays(in: state)
            full.isSet = false
            try await store.requireWhole(second)
            #expect(try await store.collect().trees == 1)
            try await store.requireWhole(second)
            try store.close()
        }
    }

    /// A kernel that comes back before a collect finds its tree, and a rebuild takes its last record.
    @Test func aKernelThatComesBackBeforeACollectStays() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let clock = Atomic(1_800_000_000)
            let store = try HeaderStore(folder: state) {
                $0.now = { clock.add(1, ordering: .relaxed).newValue }
            }
            try await store.put(first, source: .agent)
            try store.remove(first)
            #expect(try await store.put(first, source: .import).isNew)
            let result = try await store.collect()
            #expect(result.trees == 0 && result.blobs == 0)
            try await store.requireWhole(first)
            try store.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
            let rebuilt = try HeaderStore(folder: state)
            #expect(try await rebuilt.kernel(first.id).source == .import)
            try await rebuilt.requireWhole(first)
            try rebuilt.close()
        }
    }

    /// What comes back while a collect is under way, and what comes then and looks like it, stays.
    @Test(arguments: 0..<4) func uploadsWhileACollectIsUnderWayStay(seed: Int) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            let old = try (1...20).map { try StoredKernel(id: UInt8($0), revision: $0) }
            for kernel in old { try await store.put(kernel) }
            for kernel in old { try store.remove(kernel) }
            let back = Array(old[(seed * 5)..<(seed * 5 + 5)])
            let new = try (21...25).map { try StoredKernel(id: UInt8($0), revision: $0) }
            let collecting = store
            async let result = collecting.collect()
            for kernel in back + new { try await store.put(kernel) }
            #expect(try await result.failure == nil)
            _ = try await store.collect()
            for kernel in back + new { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            #expect(try await store.verify().found == 0)
            try store.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
            store = try HeaderStore(folder: state)
            for kernel in back + new { try await store.requireWhole(kernel) }
            try store.close()
        }
    }

    /// A plan is made beside uploads: whatever comes or goes before a step of it, and between two, what lives stays whole.
    @Test(arguments: 0..<12) func whatComesAfterThePlanStays(seed: Int) async throws {
        var random = SeededGenerator(seed: "plan \(seed)")
        let kernels = try (1...9).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            var present: Set<Int> = []
            func change(_ store: HeaderStore) async throws {
                let index = Int(random.next() % UInt64(kernels.count))
                if present.remove(index) != nil, random.next() % 2 == 0 {
                    try store.remove(kernels[index])
                } else {
                    try await store.put(kernels[index])
                    present.insert(index)
                }
            }
            for index in 0..<6 {
                try await store.put(kernels[index])
                present.insert(index)
            }
            for _ in 0..<5 {
                for _ in 0..<3 { try await change(store) }
                var plan = try store.collector.plan()
                for pack in plan.packs {
                    if random.next() % 2 == 0 { try await change(store) }
                    try store.ingests.runAndWait { try store.collector.remove(from: pack, &plan) }
                    for index in present { try await store.requireWhole(kernels[index]) }
                }
                #expect(try await store.verify().found == 0)
            }
            try store.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
            store = try HeaderStore(folder: state)
            for index in present { try await store.requireWhole(kernels[index]) }
            try store.close()
        }
    }

    /// As long as a dead tree is there, so is what it has: its kernel may come back before the pack of its manifest has its
    /// turn, and an upload of a tree that is there brings nothing.
    @Test(arguments: 0..<3) func aKernelComesBackBetweenTwoSteps(before step: Int) async throws {
        try await withStore { state, store in
            try store.remove(first)
            _ = try await store.collect()
            try store.remove(second)
            try store.remove(third)
            var plan = try store.collector.plan()
            for (position, pack) in plan.packs.enumerated() {
                if position == step { try await store.put(second) }
                try store.ingests.runAndWait { try store.collector.remove(from: pack, &plan) }
            }
            if plan.packs.count <= step { try await store.put(second) }
            try await store.requireWhole(second)
            try await store.requireNoStrays(in: state)
            #expect(try await store.verify().found == 0)
        }
    }

    /// Uploads do not wait for a plan: it is made while another has their queue.
    @Test func aPlanIsMadeBesideUploads() async throws {
        try await withStore { _, store in
            try store.remove(first)
            let plan = try store.ingests.runAndWait { try store.collector.plan() }
            #expect(plan.packs.count > 1)
        }
    }

    /// A rebuild leaves what it can't use where it is, until somebody restores what it lacks; nobody else takes it away.
    @Test func packsThatARebuildCouldNotUseStay() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            try await store.put(first)
            let lost = try #require(FolderListing.names(in: "\(state)/packs").first)
            try await store.put(second)
            try store.close()
            try SystemCallError.check("rename", lost) { rename("\(state)/packs/\(lost)", folder.path("lost")) }
            for name in try FolderListing.names(in: state) where name.hasPrefix("catalogue") {
                unlink("\(state)/\(name)")
            }
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks.count == 1)
            let unused = try FolderListing.names(in: "\(state)/packs")
            store = try HeaderStore(folder: state)
            let other = try StoredKernel(id: 7, files: ["include/linux/other.h": Array("int other;\n".utf8)])
            try await store.put(other)
            #expect(try await store.verify().found == 0)
            _ = try await store.collect()
            try await store.requireWhole(other)
            #expect(try Set(FolderListing.names(in: "\(state)/packs")).isSuperset(of: unused))
            try store.close()
        }
    }

    /// Whatever order things happen in: what is there is whole, after each step, and after a rebuild.
    @Test(arguments: 0..<6)
    func whateverHappensLivingKernelsStayWhole(seed: Int) async throws {
        var random = SeededGenerator(seed: "collect \(seed)")
        var kernels = try (1...6).map { try StoredKernel(id: UInt8($0), revision: $0) }
        kernels.append(try StoredKernel(id: 7, files: ["include/linux/other.h": Array("int other;\n".utf8)]))
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            var present: Set<Int> = []
            for _ in 0..<25 {
                let index = Int(random.next() % UInt64(kernels.count))
                switch random.next() % 8 {
                case 0, 1, 2:
                    try await store.put(kernels[index])
                    present.insert(index)
                case 3, 4: if present.remove(index) != nil { try store.remove(kernels[index]) }
                case 5, 6: _ = try await store.collect()
                default:
                    let packs = try PackOnDisk.all(in: state)
                    guard let pack = packs.randomElement(using: &random) else { continue }
                    try pack.flip(at: Int(random.next() % UInt64(pack.length)))
                    #expect(try await store.verify().found > 0)
                    for index in present { try await store.put(kernels[index]) }
                }
                for index in present { try await store.requireWhole(kernels[index]) }
                try await store.requireNoStrays(in: state)
                #expect(try await store.status().kernels == present.count)
                if random.next() % 4 == 0 {
                    _ = try await store.collect()
                    try store.close()
                    #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
                    store = try HeaderStore(folder: state)
                    for index in present { try await store.requireWhole(kernels[index]) }
                    #expect(try await store.status().kernels == present.count)
                }
            }
            #expect(try await store.verify().found == 0)
            try store.close()
        }
    }

    /// A store with three revisions of a kernel.
    private func withStore(_ body: (_ state: String, _ store: HeaderStore) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for kernel in [first, second, third] { try await store.put(kernel) }
            try await body(folder.path("store"), store)
        }
    }
}
