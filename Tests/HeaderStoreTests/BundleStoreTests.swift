import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct BundleStoreTests {
    private let kernel: StoredKernel

    init() throws { kernel = try StoredKernel(id: 1, revision: 1) }

    @Test func bundlesHaveTheSameBytesInAnyStoreAndAtAnyTime() async throws {
        var bundles: [[[UInt8]]] = []
        // In one the tree is a pack of its own; in the other it leans on another one. One is used in between.
        for older in [nil, try StoredKernel(id: 2, revision: 2)] {
            try await withTemporaryFolder { folder in
                let store = try HeaderStore(folder: folder.path("store")) {
                    $0.bundleBytes = older == nil ? 1 : 1 << 30
                }
                if let older { try await store.put(older) }
                try await store.put(kernel)
                for _ in 0..<2 {
                    var all: [[UInt8]] = []
                    for format in BundleFormat.allCases { all.append(try await store.bundleBytes(kernel, format)) }
                    bundles.append(all)
                }
            }
        }
        #expect(bundles.count == 4 && bundles.allSatisfy { $0 == bundles[0] })
        for (tool, bundle) in [(CompressionTool.zstd, bundles[0][0]), (.xz, bundles[0][1]), (.gzip, bundles[0][2])] {
            #expect(try tool.decompress(bundle) == bundles[0][3])
        }
    }

    @Test func concurrentFirstRequestsBuildOnce() async throws {
        let created = Mutex(0)
        try await withStore {
            $0.files = ObservedFileSystem { moment, call in
                if moment == .after, case .create(let path) = call, path.hasSuffix("-bundle") {
                    created.withLock { $0 += 1 }
                }
            }
        } body: { store, state in
            let digest = kernel.manifest.digest
            let digests = try await withThrowingTaskGroup(of: Digest.self) { group in
                for _ in 0..<16 { group.addTask { try await store.bundle(of: digest, format: .tarXZ).digest } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(digests.count == 16 && Set(digests).count == 1)
            #expect(created.withLock { $0 } == 1)
        }
    }

    @Test func theLeastRecentlyUsedBundleGivesWayAndStaysReadable() async throws {
        let sizes = Mutex<[BundleFormat: Int]>([:])
        try await withStore { _ in
        } body: { store, _ in
            for format in BundleFormat.allCases {
                let bytes = try await store.bundleBytes(kernel, format)
                sizes.withLock { $0[format] = bytes.count }
            }
        }
        let limit = sizes.withLock { ($0[.tarZstd] ?? 0) + ($0[.tarXZ] ?? 0) + ($0[.tarGzip] ?? 0) - 1 }
        try await withStore {
            $0.bundleBytes = limit
        } body: { store, state in
            let gzip = try await store.bundle(of: kernel.manifest.digest, format: .tarGzip)
            _ = try await store.bundleBytes(kernel, .tarZstd)
            #expect(try Self.formats(in: state) == [.tarGzip, .tarZstd])
            _ = try await store.bundleBytes(kernel, .tarGzip)
            _ = try await store.bundleBytes(kernel, .tarXZ)
            // The gzip was used after the zstd.
            #expect(try Self.formats(in: state) == [.tarGzip, .tarXZ])
            // Larger than the limit alone: it is built, and the only one.
            _ = try await store.bundleBytes(kernel, .tar)
            #expect(try Self.formats(in: state) == [.tar])
            // Whoever was reading goes on.
            var bytes = [UInt8](repeating: 0, count: gzip.length)
            #expect(try bytes.withUnsafeMutableBytes { try gzip.contents.read(at: 0, into: $0) } == gzip.length)
            #expect(Digest(of: bytes) == gzip.digest)
            #expect(try bytes.withUnsafeMutableBytes { try gzip.contents.read(at: gzip.length, into: $0) } == 0)
            try await store.requireNoStrays(in: state)
        }
    }

    /// Whichever was used last.
    @Test func bundlesOfPinnedKernelsAndOfTheNewestGiveWayLast() async throws {
        let kernels = try (1...4).map { try StoredKernel(id: UInt8($0), revision: $0) }
        let time = Mutex(1_800_000_000)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let free = Mutex(Int.max / 2)
            let store = try HeaderStore(folder: state) {
                $0.now = { time.withLock { $0 } }
                $0.retention.newest = 1
                $0.freeBytes = { free.withLock { $0 } }
            }
            for kernel in kernels {
                time.withLock { $0 += 1 }
                try await store.put(kernel)
            }
            _ = try await store.pin(kernels[1].id)
            // The newest first, and the pinned one next.
            for number in [3, 1, 2, 0] { _ = try await store.bundleBytes(kernels[number], .tarGzip) }
            #expect(try await store.status().bundleBytes == Self.bytes(in: state))
            var gone: [Int] = []
            for _ in kernels {
                let before = try FolderListing.names(in: "\(state)/bundles")
                // As if one byte were lacking.
                free.withLock { $0 = DiskBudget.margin }
                store.disk.makeRoom()
                free.withLock { $0 = Int.max / 2 }
                let left = try FolderListing.names(in: "\(state)/bundles")
                let removed = Set(before).subtracting(left)
                gone += kernels.indices.filter { removed.contains("\(kernels[$0].manifest.digest).tar.gz") }
                #expect(removed.count == 1)
                #expect(try await store.status().bundleBytes == Self.bytes(in: state))
            }
            #expect(gone == [2, 0, 3, 1])
        }
    }

    @Test func theOrderOutlivesARestartAsTheDiskHasIt() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(kernel)
            for format in BundleFormat.allCases { _ = try await store.bundleBytes(kernel, format) }
            try store.close()
            // Read in another order than they were made.
            let formats: [BundleFormat] = [.tarGzip, .tar, .tarZstd, .tarXZ]
            for (day, format) in formats.enumerated() {
                let path = "\(state)/bundles/\(kernel.manifest.digest).\(format.rawValue)"
                let time = timespec(tv_sec: 1_800_000_000 + day * 86_400, tv_nsec: 0)
                try SystemCallError.check("utimensat", path) { utimensat(AT_FDCWD, path, [time, time], 0) }
            }
            let free = Mutex(Int.max / 2)
            let again = try HeaderStore(folder: state) { $0.freeBytes = { free.withLock { $0 } } }
            // What is used now is newer than all that.
            _ = try await again.bundleBytes(kernel, .tar)
            free.withLock { $0 = DiskBudget.margin }
            for left in [[.tar, .tarZstd, .tarXZ], [.tar, .tarXZ], [.tar], []] as [Set<BundleFormat>] {
                again.disk.makeRoom()
                #expect(try Self.formats(in: state) == left)
            }
            try again.close()
        }
    }

    /// What is known of one is known without its file.
    @Test func whatIsKnownCountsAsUse() async throws {
        try await withStore { _ in
        } body: { store, state in
            let digest = kernel.manifest.digest
            #expect(store.knownBundle(of: digest, format: .tarGzip) == nil)
            let bytes = try await store.bundleBytes(kernel, .tarGzip)
            _ = try await store.bundleBytes(kernel, .tarZstd)
            let known = try #require(store.knownBundle(of: digest, format: .tarGzip))
            #expect(known.digest == Digest(of: bytes) && known.length == bytes.count)
        }
    }

    @Test func aBundleOutlivesARestart() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(kernel)
            let bytes = try await store.bundleBytes(kernel, .tarZstd)
            try store.close()
            let again = try HeaderStore(folder: state) {
                $0.files = ObservedFileSystem { _, call in
                    if case .create = call { Issue.record("\(call): it is there already") }
                }
            }
            #expect(try await again.bundleBytes(kernel, .tarZstd) == bytes)
        }
    }

    @Test func aBundleThatIsGoneOrShortIsBuiltAgain() async throws {
        try await withStore { _ in
        } body: { store, state in
            let bytes = try await store.bundleBytes(kernel, .tarZstd)
            let path = "\(state)/bundles/\(kernel.manifest.digest).tar.zst"
            try PosixFileSystem().remove(path)
            #expect(try await store.bundleBytes(kernel, .tarZstd) == bytes)
            try TemporaryFolder.write(Array(bytes.dropLast()), to: path)
            #expect(try await store.bundleBytes(kernel, .tarZstd) == bytes)
            try await store.requireNoStrays(in: state)
        }
    }

    @Test func aFailedBuildIsTriedAgain() async throws {
        let fails = Mutex(true)
        try await withStore {
            $0.files = ObservedFileSystem { moment, call in
                if moment == .before, case .rename(let path, _) = call, path.hasSuffix("-bundle"),
                    fails.withLock({ $0 })
                {
                    throw SystemCallError(call: "rename", path: path, number: 5)
                }
            }
        } body: { store, state in
            await #expect(throws: SystemCallError.self) { try await store.bundleBytes(kernel, .tar) }
            try await store.requireNoStrays(in: state)
            fails.withLock { $0 = false }
            try await store.requireWhole(kernel)
        }
    }

    @Test func aTreeThatIsNotThereHasNoBundle() async throws {
        try await withStore { _ in
        } body: { store, _ in
            let problem = await #expect(throws: Problem.self) {
                try await store.bundle(of: Digest(of: []), format: .tar)
            }
            #expect(problem?.code == .treeUnknown)
        }
    }

    private func withStore(
        options change: (inout HeaderStore.Options) -> Void, body: (HeaderStore, _ state: String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"), change)
            try await store.put(kernel)
            try await body(store, folder.path("store"))
        }
    }

    private static func bytes(in state: String) throws -> Int {
        try FolderListing.names(in: "\(state)/bundles").reduce(0) {
            $0 + (try FileSource(path: "\(state)/bundles/\($1)").readAll().count)
        }
    }

    private static func formats(in state: String) throws -> Set<BundleFormat> {
        let names = try FolderListing.names(in: "\(state)/bundles")
        return Set(names.compactMap { BundleFormat(rawValue: String($0.dropFirst(2 * Digest.length + 1))) })
    }
}
