import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// Promise 9: the index is disposable.
@Suite struct CatalogueRebuildTests {
    @Test func kernelsTreesAndBundlesComeBackAsTheyWere() async throws {
        let kernels = try Self.kernels()
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let before = try await Self.fill(state, kernels)
            try Self.removeCatalogue(of: state)
            let progress = Mutex<[[Int]]>([])
            let report = try CatalogueRebuild(folder: state, logger: .silent).run { done, all in
                progress.withLock { $0.append([done, all]) }
            }
            #expect(report.packs == kernels.count && report.kernels == kernels.count && report.damagedPacks.isEmpty)
            #expect(progress.withLock { $0 } == (0..<kernels.count).map { [$0, kernels.count] })
            let after = try await Self.look(at: state, kernels)
            // What only the catalogue knew is the time of the last sighting.
            #expect(
                after.kernels
                    == before.kernels.map { kernel in
                        var kernel = kernel
                        kernel.lastSeen = kernel.firstSeen
                        return kernel
                    })
            #expect(after.bundles == before.bundles)
            #expect(after.status == before.status)
        }
    }

    @Test func theNextIngestGoesOnWhereTheLastOneEnded() async throws {
        let kernels = try Self.kernels()
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            _ = try await Self.fill(state, kernels.dropLast())
            try Self.removeCatalogue(of: state)
            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let store = try HeaderStore(folder: state)
            let last = try #require(kernels.last)
            try await store.put(last)
            for kernel in kernels { try await store.requireWhole(kernel) }
            try store.close()
            let numbers = try PackOnDisk.all(in: state).flatMap { $0.index.blobs.map(\.number) }
            #expect(numbers.sorted() == Array(0..<numbers.count))
        }
    }

    @Test func aCatalogueThatIsThereIsReplaced() async throws {
        let kernels = try Self.kernels()
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let before = try await Self.fill(state, kernels)
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == kernels.count)
            #expect(folder.names(in: "store/staging").isEmpty)
            #expect(try await Self.look(at: state, kernels).bundles == before.bundles)
        }
    }

    @Test func aFolderThatIsNoStoreIsLeftAlone() throws {
        try withTemporaryFolder { folder in
            let state = try folder.makeFolder("mistyped")
            #expect(throws: StoreOpenError.self) { try CatalogueRebuild(folder: state, logger: .silent).run() }
            #expect(folder.names(in: "mistyped").isEmpty)
        }
    }

    @Test func aDamagedPackIsReportedAndKept() async throws {
        let alone = try StoredKernel(id: 9, files: ["include/alone.h": [9]])
        let kernels = try Self.kernels()
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            _ = try await Self.fill(state, kernels + [alone])
            let pack = try PackOnDisk.of(alone, in: state)
            let good = try pack.bytes
            var bytes = good
            bytes[bytes.count / 2] ^= 1
            try pack.overwrite(bytes)
            try Self.removeCatalogue(of: state)
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.damagedPacks == [pack.digest])
            #expect(report.kernels == kernels.count)
            let store = try HeaderStore(folder: state)
            for kernel in kernels { try await store.requireWhole(kernel) }
            #expect(try await !store.has(alone))
            try store.close()
            // It waits for whoever has a good copy.
            #expect(try pack.bytes == bytes)
            try pack.overwrite(good)
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == kernels.count + 1)
            let healed = try HeaderStore(folder: state)
            try await healed.requireWhole(alone)
        }
    }

    @Test func packsThatLackAnAncestorAreReportedAndKept() async throws {
        let alone = try StoredKernel(id: 9, files: ["include/alone.h": [9]])
        let kernels = try Self.kernels()
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            _ = try await Self.fill(state, kernels + [alone])
            let pack = try PackOnDisk.of(kernels[0], in: state)
            let bytes = try pack.bytes
            try PosixFileSystem().remove(pack.path)
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.kernels == 1 && report.packs == 1)
            #expect(
                Set(report.unusedPacks)
                    == Set(try PackOnDisk.all(in: state).map(\.digest)).subtracting([
                        try PackOnDisk.of(alone, in: state).digest
                    ]))
            let store = try HeaderStore(folder: state)
            try await store.requireWhole(alone)
            for kernel in kernels { #expect(try await !store.has(kernel)) }
            try store.close()
            try pack.overwrite(bytes)
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().unusedPacks.isEmpty)
            _ = try await Self.look(at: state, kernels + [alone])
        }
    }

    /// Packs without blobs come in the order of their names, and a kernel's before its tree's.
    @Test func aPackWaitsForTheTreeThatItNames() async throws {
        let base = try StoredKernel(id: 1, files: ["include/one.h": [1]])
        let moved = ["include/two.h": [UInt8(1)]]
        let tree = try StoredKernel(id: 2, files: moved)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            var kernels = [base, tree]
            for kernel in kernels { try await store.put(kernel) }
            let waited = try PackOnDisk.of(tree, in: state)
            #expect(waited.index.blobs.isEmpty && waited.index.manifests.count == 1)
            var isEarlier = false
            while !isEarlier, kernels.count < 100 {
                let kernel = try StoredKernel(id: UInt8(kernels.count + 1), files: moved)
                try await store.put(kernel)
                isEarlier = try "\(PackOnDisk.of(kernel, in: state).digest)" < "\(waited.digest)"
                kernels.append(kernel)
            }
            #expect(isEarlier)
            try store.close()
            try Self.removeCatalogue(of: state)
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.kernels == kernels.count && report.unusedPacks.isEmpty)
            let rebuilt = try HeaderStore(folder: state)
            for kernel in kernels { try await rebuilt.requireWhole(kernel) }
            try rebuilt.close()
        }
    }

    /// Its kernel was uploaded again, and then somebody found the lost pack.
    @Test func aPackThatHoldsWhatAnotherHoldsIsReportedAndKept() async throws {
        let alone = try StoredKernel(id: 9, files: ["include/alone.h": [9]])
        let kernels = try Self.kernels()
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            _ = try await Self.fill(state, kernels + [alone])
            let pack = try PackOnDisk.of(alone, in: state)
            let bytes = try pack.bytes
            try PosixFileSystem().remove(pack.path)
            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let store = try HeaderStore(folder: state)
            #expect(try await store.put(alone).isNew)
            try store.close()
            let newer = try PackOnDisk.of(alone, in: state)
            try pack.overwrite(bytes)
            let report = try CatalogueRebuild(folder: state, logger: .silent).run()
            #expect(report.kernels == kernels.count + 1)
            #expect(report.unusedPacks.count == 1 && [pack.digest, newer.digest].contains(report.unusedPacks[0]))
            let again = try HeaderStore(folder: state)
            for kernel in kernels + [alone] { try await again.requireWhole(kernel) }
            try again.close()
            #expect(folder.names(in: "store/packs").count == kernels.count + 2)
        }
    }

    @Test func aFolderThatIsNoStoreIsRefused() throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: StoreOpenError.self) {
                try CatalogueRebuild(folder: folder.path, logger: .silent).run()
            }
            #expect(error?.description.contains("is no store") == true)
            #expect(folder.names().isEmpty)
        }
    }

    /// More packs than a process may have open: each is closed when its index is read.
    @Test func aRebuildKeepsNoPackOpen() async throws {
        let kernels = try (1...30).map { try StoredKernel(id: $0, files: ["include/linux/bpf.h": [$0]]) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            _ = try await Self.fill(state, kernels)
            let most = Mutex(0)
            _ = try CatalogueRebuild(folder: state, logger: .silent).run { _, _ in
                // Of this store; tests of others run at the same time.
                let open = (try? FolderListing.names(in: "/proc/self/fd"))?.filter {
                    Self.target(ofLink: "/proc/self/fd/\($0)").hasPrefix("\(state)/packs/")
                }
                most.withLock { $0 = max($0, open?.count ?? 0) }
            }
            #expect(most.withLock { $0 } <= 1)
        }
    }

    /// Each tree leans on others, in packs of its own and of others; one kernel has another's tree.
    private static func kernels() throws -> [StoredKernel] {
        let small = try [1, 2, 3].map {
            try StoredKernel(id: UInt8($0), SmallKernel(revision: $0, hasLargeFile: false))
        }
        let twin = try StoredKernel(id: 4, SmallKernel(revision: 2, hasLargeFile: false))
        let other = try StoredKernel(id: 5, SmallKernel(release: "6.12.1-cloud", hasLargeFile: false))
        return small + [twin, other]
    }

    private struct Look {
        var kernels: [KernelEntry] = []
        var bundles: [[UInt8]] = []
        var status: [Int] = []
    }

    private static func fill(_ state: String, _ kernels: some Sequence<StoredKernel>) async throws -> Look {
        let clock = Mutex(1_700_000_000)
        let store = try HeaderStore(folder: state) {
            $0.now = {
                clock.withLock { clock in
                    clock += 1
                    return clock
                }
            }
        }
        for kernel in kernels {
            try await store.put(kernel)
            try await store.put(kernel)
        }
        try store.close()
        return try await look(at: state, kernels)
    }

    private static func look(at state: String, _ kernels: some Sequence<StoredKernel>) async throws -> Look {
        let store = try HeaderStore(folder: state)
        var look = Look()
        look.kernels = try await store.kernels(limit: 100).kernels
        for kernel in kernels {
            try await store.requireWhole(kernel)
            look.bundles.append(try await store.bundleBytes(kernel, .tarZstd))
        }
        let status = try await store.status()
        look.status = [
            status.kernels, status.trees, status.blobs, status.files, status.rawBytes, status.blobBytes, status.packs,
            status.packBytes, status.bundleBytes,
        ]
        try await store.requireNoStrays(in: state)
        try store.close()
        return look
    }

    private static func removeCatalogue(of state: String) throws {
        for suffix in ["", "-wal", "-shm"] { try PosixFileSystem().remove("\(state)/catalogue.sqlite\(suffix)") }
    }

    private static func target(ofLink path: String) -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(path, &target, target.count)
        return String(decoding: target.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
