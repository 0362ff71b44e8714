import Dispatch
import GRDB
import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// What came in compressed fast becomes smaller, and stays what it was.
@Suite struct StoreRepackTests {
    private let large: StoredKernel
    private let small: StoredKernel

    init() throws {
        large = try StoredKernel(id: 1, large: 1)
        small = try StoredKernel(id: 2, revision: 2)
    }

    // MARK: What becomes of packs

    @Test func aLargeTreeBecomesSmallerAndStaysWhatItWas() async throws {
        try await withStore { state, store in
            let before = try await store.status()
            #expect(before.loosePacks == 1 && before.repack?.run == 0)
            let old = try PackOnDisk.of(large, in: state)
            let other = try PackOnDisk.of(small, in: state)
            #expect(before.loosePackBytes == old.length)

            let result = try await store.repack()
            let new = try PackOnDisk.of(large, in: state)
            #expect(result.run == 1 && result.state == .idle && result.failure == nil)
            #expect(result.packs == 1 && result.allPacks == 1 && result.packsRewritten == 1)
            #expect(result.bytes == old.length && result.allBytes == old.length)
            #expect(result.freedBytes == old.length - new.length && result.freedBytes > 0)
            #expect(new.digest != old.digest && new.index.replaced == [old.digest])
            #expect(new.index.blobs == old.index.blobs && new.index.blocks.count == old.index.blocks.count)
            for (block, older) in zip(new.index.blocks, old.index.blocks) {
                #expect(block.rawLength == older.rawLength && block.prefix == older.prefix)
                #expect(block.depth == older.depth && block.compressedLength <= older.compressedLength)
            }
            #expect(try PackOnDisk.of(small, in: state).digest == other.digest)

            let status = try await store.status()
            #expect(status.loosePacks == 0 && status.packBytes == before.packBytes - result.freedBytes)
            #expect(status.repack == result)
            for kernel in [large, small] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            #expect(try await store.verify().found == 0)
            // Once more, there is nothing to do.
            let again = try await store.repack()
            #expect(again.run == 2 && again.allPacks == 0 && again.packsRewritten == 0)
        }
    }

    /// Blocks of one that came fast lean on those of another that did.
    @Test func whatLeansOnARewrittenPackIsRead() async throws {
        let next = try StoredKernel(id: 3, large: 2)
        let kernels = [large, small, next, try StoredKernel(id: 4, large: 3)]
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            for kernel in kernels { try await store.put(kernel) }
            #expect(try PackOnDisk.of(next, in: state).index.blocks.contains { $0.depth > 0 })
            #expect(try await store.status().loosePacks == 3)
            let result = try await store.repack()
            #expect(result.packs == 3 && result.packsRewritten >= 1)
            for kernel in kernels { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            #expect(try await store.verify().found == 0)
            try store.close()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
            store = try HeaderStore(folder: state)
            for kernel in kernels { try await store.requireWhole(kernel) }
            #expect(try await store.status().loosePacks == 0)
            try store.close()
        }
    }

    @Test func whatAnIngestCompressedTightlyIsNotTried() async throws {
        func kernel(_ id: UInt8, bytes: Int) throws -> StoredKernel {
            try StoredKernel(id: id, files: ["include/\(id).h": [UInt8](repeating: id, count: bytes)])
        }
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(try kernel(1, bytes: PackIndex.tightBytes))
            #expect(try await store.status().loosePacks == 0)
            try await store.put(try kernel(2, bytes: PackIndex.tightBytes + 1))
            #expect(try await store.status().loosePacks == 1)
            try store.close()
        }
    }

    /// A catalogue from before it was on record: an index says enough.
    @Test func olderPacksAreLookedAtOnce() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(small)
            let packs = try FolderListing.names(in: "\(state)/packs")
            try await store.catalogue.pool.write { try $0.execute(sql: "UPDATE pack SET tight = 0") }
            let result = try await store.repack()
            #expect(result.packs == 1 && result.packsRewritten == 0)
            #expect(try FolderListing.names(in: "\(state)/packs") == packs)
            #expect(try await store.status().loosePacks == 0)
            try store.close()
        }
    }

    /// Neither blocks nor packs grow; what can't be made smaller is remembered.
    @Test func whatCanNotBeSmallerStaysAndIsNotTriedAgain() async throws {
        var random = SeededGenerator(seed: "noise")
        var noise = [UInt8](repeating: 0, count: PackIndex.tightBytes + 8)
        noise.withUnsafeMutableBytes { bytes in
            for offset in stride(from: 0, to: bytes.count, by: 8) {
                bytes.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
            }
        }
        let kernel = try StoredKernel(id: 1, files: ["include/noise.h": noise])
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            try await store.put(kernel)
            let packs = try FolderListing.names(in: "\(state)/packs")
            let result = try await store.repack()
            #expect(result.packs == 1 && result.packsRewritten == 0 && result.freedBytes == 0)
            #expect(try FolderListing.names(in: "\(state)/packs") == packs)
            try await store.requireNoStrays(in: state)
            try store.close()
            for isRebuilt in [false, true] {
                if isRebuilt { _ = try CatalogueRebuild(folder: state, logger: .silent).run() }
                store = try HeaderStore(folder: state)
                #expect(try await store.status().loosePacks == 0)
                try await store.requireWhole(kernel)
                try store.close()
            }
        }
    }

    /// The new index names the old pack: with blocks as they were, that would make it larger.
    @Test func aPackThatWouldBeLargerStays() async throws {
        try await withStore { state, store in
            let old = try PackOnDisk.of(large, in: state)
            let rewrite = PackRewrite(
                catalogue: store.catalogue, content: store.content, files: PosixFileSystem(), layout: store.layout,
                disk: store.disk, unsettled: store.unsettled)
            let draft = try #require(try rewrite.draft(of: try pack(old, store), refine: { $2 }))
            #expect(try store.ingests.runAndWait { try rewrite.put(draft, isForSize: true) } == old.length)
            #expect(try PackOnDisk.of(large, in: state).digest == old.digest)
            try await store.requireNoStrays(in: state)
            try await store.requireWhole(large)
        }
    }

    /// Without the old catalogue it is not known what is tight: each pack that was written anew is tried once.
    @Test func aRebuildWithoutTheCatalogueTriesOnceMore() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            for kernel in [large, small] { try await store.put(kernel) }
            _ = try await store.repack()
            try store.close()
            let packs = try FolderListing.names(in: "\(state)/packs").sorted()
            for suffix in ["", "-wal", "-shm"] { try PosixFileSystem().remove("\(state)/catalogue.sqlite\(suffix)") }
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().packs == 2)
            store = try HeaderStore(folder: state)
            #expect(try await store.status().loosePacks == 1)
            let result = try await store.repack()
            #expect(result.packs == 1 && result.packsRewritten == 0)
            #expect(try await store.status().loosePacks == 0)
            #expect(try FolderListing.names(in: "\(state)/packs").sorted() == packs)
            try store.close()
        }
    }

    /// A transaction that failed when it was to be synced may be there after a crash: its pack has to be there, too.
    @Test(arguments: [false, true]) func aPackThatTheCatalogueDidNotTakeStaysUntilTheNextStart(
        withRebuild: Bool
    ) async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            for kernel in [large, small] { try await store.put(kernel) }
            let old = try PackOnDisk.of(large, in: state)
            try await store.catalogue.pool.write {
                try $0.execute(sql: "CREATE TRIGGER no BEFORE INSERT ON pack BEGIN SELECT RAISE(ABORT, 'no'); END")
            }
            // One at most: before the second, the first can be told to be gone.
            for _ in 0...1 {
                let draft = try #require(try self.draft(old, store))
                #expect(throws: DatabaseError.self) { try store.repacker.swap(draft) }
            }
            try await store.catalogue.pool.write { try $0.execute(sql: "DROP TRIGGER no") }
            let packs = try PackOnDisk.all(in: state)
            #expect(packs.count == 3 && packs.contains { $0.index.replaced == [old.digest] })
            for kernel in [large, small] { try await store.requireWhole(kernel) }
            try store.close()
            if withRebuild { #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 2) }
            store = try HeaderStore(folder: state)
            for kernel in [large, small] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            try store.close()
        }
    }

    // MARK: Beside others

    /// Blocks are compressed while another has the queue of uploads, and uploads come in before the swap.
    @Test func uploadsDoNotWaitWhileBlocksAreCompressed() async throws {
        try await withStore { state, store in
            let old = try PackOnDisk.of(large, in: state)
            let draft = try #require(try store.ingests.runAndWait { try self.draft(old, store) })
            let next = try StoredKernel(id: 3, large: 2)
            try await store.put(next)
            try store.repacker.swap(draft)
            #expect(try PackOnDisk.of(large, in: state).index.replaced == [old.digest])
            for kernel in [large, small, next] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            #expect(try await store.verify().found == 0)
        }
    }

    /// An upload comes in at each block of a repack that is under way: if it waited for the repack, neither would ever end.
    @Test func uploadsComeInBetweenTwoBlocks() async throws {
        let kernels = try (10..<30).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let blocks = Blocks()
            let store = try HeaderStore(folder: state) { $0.files = blocks.files }
            try await store.put(large)
            blocks.isWatching.isSet = true
            async let repacking = store.repack()
            var count = 0
            for await _ in blocks.begun {
                // What an upload writes itself does not count.
                blocks.isWatching.isSet = false
                try await store.put(kernels[count])
                count += 1
                // Behind the last block it has the queue.
                blocks.isWatching.isSet = count < 5
                blocks.next.signal()
                if count == 5 { break }
            }
            #expect(try await repacking.packsRewritten == 1)
            for kernel in kernels[..<count] + [large] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
            try store.close()
        }
    }

    /// What a collect has planned for a pack must not be undone by another one in its place.
    @Test func nothingIsSwappedWhileACollectIsUnderWay() async throws {
        try await withStore { state, store in
            let old = try PackOnDisk.of(large, in: state)
            let draft = try #require(try self.draft(old, store))
            #expect(store.collector.begin())
            #expect(try !store.ingests.runAndWait { try store.repacker.swapUnlessCollecting(draft) })
            #expect(try PackOnDisk.of(large, in: state).digest == old.digest)
            let swap = Swap(draft)
            async let swapped: Void = store.repacks.run { try store.repacker.swap(swap.draft) }
            try await store.collects.run { try store.collector.run() }
            try await swapped
            #expect(try PackOnDisk.of(large, in: state).digest != old.digest)
            try await store.requireWhole(large)
            try await store.requireNoStrays(in: state)
        }
    }

    /// A pack that became another one since, or none, is not put back.
    @Test(arguments: ["collect", "purge", "verify", "damage", "lost"]) func aPackThatChangedSinceIsLeft(by what: String)
        async throws
    {
        let next = try StoredKernel(id: 3, large: 2)
        try await withStore { state, store in
            try await store.put(next)
            let old = try PackOnDisk.of(large, in: state)
            let draft = try #require(try self.draft(old, store))
            switch what {
            case "collect":
                try store.remove(large)
                #expect(try await store.collect().trees == 1)
                try store.repacker.swap(draft)
            case "purge":
                // The pack is still there, and forgets the kernel.
                try await store.purge(large.id)
                try store.repacker.swap(draft)
                #expect(
                    try PackOnDisk.all(in: state).allSatisfy {
                        $0.index.kernels.allSatisfy { $0.identity.buildID != large.id }
                    })
            case "verify":
                try old.flip(at: old.index.blocks[1].offset + 20)
                // What leans on the block goes with it, from whichever pack.
                #expect(try await store.verify().found >= 1)
                try store.repacker.swap(draft)
            case "damage":
                try old.flip(at: old.length - 30)
                let problem = #expect(throws: Problem.self) { try store.repacker.swap(draft) }
                #expect(problem?.code == .storeDamaged && problem?.detail.contains("kheader store verify") == true)
                #expect(try await store.verify().found >= 1)
            default:
                // On record as lost, and not written anew yet, as a crash leaves it.
                let number = old.index.blobs[0].number
                try store.catalogue.write { try store.catalogue.setLost(blobs: [number], $0) }
                try store.repacker.swap(draft)
                #expect(try PackOnDisk.of(large, in: state).digest == old.digest)
                try await store.catalogue.pool.write { try $0.execute(sql: "UPDATE blob SET damaged = 0") }
            }
            try await store.requireNoStrays(in: state)
            _ = try await store.collect()
            for kernel in [large, small, next] { try await store.put(kernel) }
            for kernel in [large, small, next] { try await store.requireWhole(kernel) }
            _ = try await store.repack()
            for kernel in [large, small, next] { try await store.requireWhole(kernel) }
            #expect(try await store.verify().found == 0)
            try await store.requireNoStrays(in: state)
        }
    }

    /// A flipped bit must not get a digest that makes it right; the other packs have their turn nevertheless.
    @Test func aDamagedPackIsNotWrittenAnew() async throws {
        var files: [String: [UInt8]] = [:]
        for (number, contents) in large.contents.values.enumerated() {
            files["include/other/\(number).h"] = Array(contents.reversed())
        }
        let other = try StoredKernel(id: 3, files: files)
        try await withStore { state, store in
            try await store.put(other)
            let (damaged, good) = (try PackOnDisk.of(large, in: state), try PackOnDisk.of(other, in: state))
            try damaged.flip(at: damaged.index.blocks[0].offset + 20)
            let problem = await #expect(throws: Problem.self) { try await store.repack() }
            #expect(problem?.code == .storeDamaged && problem?.detail.contains("kheader store verify") == true)
            #expect(store.repacking.failure?.contains("(store-damaged)") == true && store.repacking.state == .idle)
            #expect(store.repacking.packs == 2 && store.repacking.packsRewritten == 1)
            #expect(try PackOnDisk.of(other, in: state).index.replaced == [good.digest])
            #expect(try await store.status().loosePacks == 1)
            #expect(try FolderListing.names(in: "\(state)/packs").contains("\(damaged.digest).khpack"))
            #expect(try FolderListing.names(in: "\(state)/staging") == [])
            #expect(try await store.verify().found == 1)
            for kernel in [large, small, other] { try await store.put(kernel) }
            #expect(try await store.repack().failure == nil)
            for kernel in [large, small, other] { try await store.requireWhole(kernel) }
            try await store.requireNoStrays(in: state)
        }
    }

    // MARK: Limits

    @Test func aRepackTakesNoMoreDiskThanItReserved() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let room = Mutex(Int.max / 2)
            let written = Mutex(0)
            let store = try HeaderStore(folder: state) {
                $0.freeBytes = { room.withLock { $0 } }
                $0.files = ObservedFileSystem { moment, call in
                    guard moment == .after, case .write(_, let bytes) = call else { return }
                    written.withLock { $0 += bytes }
                }
            }
            try await store.put(large)
            let needed = try #require(try await store.status().loosePackBytes) + PackRewrite.slack
            written.withLock { $0 = 0 }
            room.withLock { $0 = DiskBudget.margin + needed - 1 }
            let problem = await #expect(throws: Problem.self) { try await store.repack() }
            #expect(problem?.code == .diskFull && store.repacking.failure?.contains("(disk-full)") == true)
            #expect(written.withLock { $0 } == 0)
            try await store.requireNoStrays(in: state)
            #expect(try await store.status().diskReservedBytes == 0)
            room.withLock { $0 = DiskBudget.margin + needed }
            #expect(try await store.repack().packsRewritten == 1)
            #expect(written.withLock { $0 } <= needed)
            #expect(try await store.status().diskReservedBytes == 0)
            room.withLock { $0 = .max / 2 }
            try await store.requireWhole(large)
            try store.close()
        }
    }

    /// Each call by which it changes the folder fails once. The store goes on without a restart.
    @Test func afterAnyCallThatFailsTheStoreIsAsItWas() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let left = Mutex(0)
            let failed = Mutex<Set<String>>([])
            let store = try HeaderStore(folder: state) {
                $0.files = ObservedFileSystem { moment, call in
                    guard moment == .before else { return }
                    let isDue = left.withLock { left in
                        left -= 1
                        return left == 0
                    }
                    guard isDue else { return }
                    failed.withLock { _ = $0.insert(call.name) }
                    throw SystemCallError(call: call.name, path: nil, number: EIO)
                }
            }
            for call in 1... {
                let kernel = try StoredKernel(id: UInt8(call), large: call)
                try await store.put(kernel)
                let wasLoose = try await store.status().loosePacks
                left.withLock { $0 = call }
                _ = try? await store.repack()
                guard left.withLock({ $0 <= 0 }) else { break }
                try await store.requireWhole(kernel)
                left.withLock { $0 = 0 }
                #expect(wasLoose == 1)
                _ = try await store.repack()
                #expect(try await store.status().loosePacks == 0)
                try await store.requireWhole(kernel)
                // Of the next one, everything is new.
                try store.remove(kernel)
                _ = try await store.collect()
            }
            #expect(
                failed.withLock { $0 } == ["create", "write", "sync", "close", "rename", "syncDirectory", "remove"])
            try store.close()
            let again = try HeaderStore(folder: state)
            try await again.requireNoStrays(in: state)
            try again.close()
        }
    }

    @Test func itEndsBetweenTwoBlocksWhenTheServerStops() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let pace = Mutex<UpkeepPace?>(nil)
            let store = try HeaderStore(folder: state) {
                $0.files = ObservedFileSystem { moment, call in
                    guard moment == .after, case .write = call else { return }
                    pace.withLock { $0 }?.cancel()
                }
            }
            try await store.put(large)
            let pack = try PackOnDisk.of(large, in: state)
            pace.withLock { $0 = store.pace }
            await #expect(throws: CancellationError.self) { try await store.repack() }
            #expect(store.repacking.failure == "The server was stopped." && store.repacking.bytes == 0)
            try await store.requireNoStrays(in: state)
            #expect(try PackOnDisk.of(large, in: state).digest == pack.digest)
            try store.close()
            let next = try HeaderStore(folder: state)
            #expect(next.repacking.run == 1 && next.repacking.state == .idle)
            #expect(try await next.repack().packsRewritten == 1)
            try await next.requireWhole(large)
            try next.close()
        }
    }

    // MARK: By itself

    @Test func inTheBackgroundItRunsSomeTimeAfterAnUpload() async throws {
        try await withTemporaryFolder { folder in
            let clock = Atomic(0)
            let store = try HeaderStore(folder: folder.path("store")) {
                $0.repackSeconds = 100
                $0.uptime = { clock.load(ordering: .sequentiallyConsistent) }
            }
            try await store.put(large)
            let looks = Atomic(0)
            let task = Task {
                await store.repackForEver {
                    // 99 seconds after the first look, nothing has happened.
                    if looks.add(1, ordering: .sequentiallyConsistent).newValue == 2 {
                        #expect(store.repacking.run == 0)
                    }
                    clock.add(
                        clock.load(ordering: .sequentiallyConsistent) == 0 ? 99 : 1, ordering: .sequentiallyConsistent)
                    await Task.yield()
                }
            }
            while store.repacking.ended == nil { await Task.yield() }
            task.cancel()
            await task.value
            #expect(store.repacking.run == 1 && store.repacking.packsRewritten == 1)
            #expect(looks.load(ordering: .sequentiallyConsistent) >= 2)
            try await store.requireWhole(large)
            try store.close()
        }
    }

    @Test func itDoesNotRunByItselfUnlessItIsTold() async throws {
        try await withStore { _, store in
            await store.repackForEver { Issue.record("it waits for its turn") }
            #expect(store.repacking.run == 0)
        }
    }

    @Test func oneAtATime() async throws {
        try await withStore { _, store in
            #expect(store.repacker.begin())
            #expect(!store.startRepack().isNew)
            try store.repacker.run()
            #expect(store.repacking.run == 1 && store.repacking.packsRewritten == 1)
        }
    }

    /// Whatever order things happen in: what is there is whole, after each step, and after a rebuild.
    @Test(arguments: 0..<4) func whateverHappensLivingKernelsStayWhole(seed: Int) async throws {
        var random = SeededGenerator(seed: "repack \(seed)")
        var kernels = try (1...3).map { try StoredKernel(id: UInt8($0), large: $0) }
        kernels += try (4...6).map { try StoredKernel(id: UInt8($0), revision: $0) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var store = try HeaderStore(folder: state)
            var present: Set<Int> = []
            for _ in 0..<14 {
                var draft: PackRewrite.Draft?
                if random.next() % 2 == 0, let pack = try PackOnDisk.all(in: state).randomElement(using: &random) {
                    draft = try self.draft(pack, store)
                }
                let index = Int(random.next() % UInt64(kernels.count))
                switch random.next() % 7 {
                case 0, 1:
                    try await store.put(kernels[index])
                    present.insert(index)
                case 2: if present.remove(index) != nil { try await store.purge(kernels[index].id) }
                case 3: _ = try await store.collect()
                case 4, 5: _ = try await store.repack()
                default:
                    let packs = try PackOnDisk.all(in: state)
                    guard let pack = packs.randomElement(using: &random) else { continue }
                    try pack.flip(at: Int(random.next() % UInt64(pack.length)))
                    #expect(try await store.verify().found > 0)
                    for index in present { try await store.put(kernels[index]) }
                }
                if let draft { try store.repacker.swap(draft) }
                for index in present { try await store.requireWhole(kernels[index]) }
                try await store.requireNoStrays(in: state)
                if random.next() % 4 == 0 {
                    _ = try await store.collect()
                    try store.close()
                    #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks == [])
                    store = try HeaderStore(folder: state)
                    for index in present { try await store.requireWhole(kernels[index]) }
                }
            }
            #expect(try await store.verify().found == 0)
            try store.close()
        }
    }

    // MARK: Helpers

    /// A store with a kernel that came in fast, and one that did not.
    private func withStore(_ body: (_ state: String, _ store: HeaderStore) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for kernel in [large, small] { try await store.put(kernel) }
            try await body(folder.path("store"), store)
            try store.close()
        }
    }

    private func pack(_ pack: PackOnDisk, _ store: HeaderStore) throws -> PackMap.Pack {
        let row = try #require(
            try store.catalogue.pool.read { try store.catalogue.packs($0) }.first { $0.digest == pack.digest })
        return try PackMap.pack(row, store.layout)
    }

    private func draft(_ old: PackOnDisk, _ store: HeaderStore) throws -> PackRewrite.Draft? {
        try store.repacker.draft(
            of: pack(old, store), ContentReader(catalogue: store.catalogue, layout: store.layout))
    }
}

/// Stops who writes a pack's blocks before each of them, until the test lets it go on.
private final class Blocks: Sendable {
    let begun: AsyncStream<Void>
    let next = DispatchSemaphore(value: 0)
    let isWatching = SettableFlag()
    private let continuation: AsyncStream<Void>.Continuation

    init() { (begun, continuation) = AsyncStream.makeStream() }

    var files: any FileSystem {
        ObservedFileSystem { [self] moment, call in
            guard moment == .before, isWatching.isSet, case .write(let path, let bytes) = call, bytes > 100,
                path.hasSuffix("-pack")
            else { return }
            continuation.yield()
            next.wait()
        }
    }
}

/// Hands a draft to another thread.
private struct Swap: @unchecked Sendable {
    let draft: PackRewrite.Draft

    init(_ draft: PackRewrite.Draft) { self.draft = draft }
}
