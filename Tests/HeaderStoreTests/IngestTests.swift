import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct IngestTests {
    @Test func newContentsLieInBlocksOfAMegabyteInTheOrderOfTheirPaths() async throws {
        var files: [String: [UInt8]] = [:]
        for number in 0..<40 {
            // Sizes and names in no common order.
            let size = 30_000 + (number * 7919) % 200_000
            files["include/linux/\(Digest(of: [UInt8(number)])).h"] = Self.text(seed: "\(number)", bytes: size)
        }
        files["include/linux/a_large_one.h"] = Self.text(seed: "large", bytes: 1_400_000)
        let kernel = try StoredKernel(id: 1, files: files)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let (receipt, isNew) = try await store.put(kernel)
            #expect(isNew)
            #expect(receipt.files == 41)
            #expect(receipt.newBlobs == 41)
            #expect(receipt.newBytes == kernel.manifest.contentBytes)
            try await store.requireWhole(kernel)

            let pack = try PackOnDisk.of(kernel, in: folder.path("store"))
            #expect(receipt.storedBytes == pack.length)
            #expect(pack.index.blobs.map(\.number) == Array(0..<41))
            let inOrder = kernel.manifest.entries.compactMap { entry -> Digest? in
                if case .file(_, let digest, _) = entry.kind { digest } else { nil }
            }
            #expect(pack.index.blobs.map(\.digest) == inOrder)
            let blocks = pack.index.blocks
            #expect(blocks.count > 4)
            for (number, block) in blocks.enumerated() {
                let blobs = pack.index.blobs.filter { $0.block == number }
                #expect(block.rawLength == blobs.reduce(0) { $0 + $1.length })
                #expect(block.rawLength <= PackIndex.blockSize || blobs.count == 1)
                #expect(block.depth == 0 && block.prefix.isEmpty)
                // Closed only when the next file would not have fitted.
                guard let next = pack.index.blobs.first(where: { $0.block == number + 1 }) else { continue }
                #expect(block.rawLength + next.length > PackIndex.blockSize)
            }
            #expect(blocks.contains { $0.rawLength == 1_400_000 })
        }
    }

    @Test func theNextRevisionAddsItsChangesOnly() async throws {
        let first = try StoredKernel(id: 1, SmallKernel(revision: 1, hasLargeFile: false))
        let second = try StoredKernel(id: 2, SmallKernel(revision: 2, hasLargeFile: false))
        let changed = second.blobs.subtracting(first.blobs)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let (whole, _) = try await store.put(first)
            // Equal files under several paths are one blob.
            #expect(whole.newBlobs == first.blobs.count)
            #expect(whole.newBlobs < whole.files)
            let (receipt, _) = try await store.put(second)
            #expect(receipt.newBlobs == changed.count)
            #expect(receipt.files == second.contents.count)
            #expect(receipt.storedBytes < whole.storedBytes / 8)

            let packs = try PackOnDisk.all(in: folder.path("store"))
            let pack = try #require(packs.last)
            #expect(Set(pack.index.blobs.map(\.digest)) == changed)
            #expect(pack.index.blobs.first?.number == first.blobs.count)
            let manifest = try #require(pack.index.manifests.first)
            #expect(manifest.parent == first.manifest.digest)
            #expect(manifest.compressedLength < packs[0].index.manifests[0].compressedLength / 8)
            // Its only block is compressed with what the first revision had at the same paths.
            let block = try #require(pack.index.blocks.first)
            let older = Set(packs[0].index.blobs.map(\.number))
            #expect(block.depth == 1 && !block.prefix.isEmpty)
            #expect(block.prefix.allSatisfy { older.contains($0) })
            #expect(block.compressedLength < block.rawLength / 4)
            try await store.requireWhole(first)
            try await store.requireWhole(second)
        }
    }

    @Test func theSameTreeUnderAnotherBuildIDAddsTheKernelOnly() async throws {
        let first = try StoredKernel(id: 1, revision: 1)
        let twin = try StoredKernel(id: 2, revision: 1)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(first)
            let (receipt, isNew) = try await store.put(twin)
            #expect(isNew)
            #expect(receipt.newBlobs == 0 && receipt.newBytes == 0)
            let pack = try PackOnDisk.of(twin, in: folder.path("store"))
            #expect(pack.index.blocks.isEmpty && pack.index.blobs.isEmpty && pack.index.manifests.isEmpty)
            try await store.requireWhole(first)
            try await store.requireWhole(twin)
            #expect(try await store.status().trees == 1)
        }
    }

    @Test func aTreeOfKnownFilesOnlyAddsAManifest() async throws {
        let first = try StoredKernel(id: 1, files: ["include/a.h": [1], "include/b.h": [2], "include/c.h": [3]])
        let fewer = try StoredKernel(id: 2, files: ["include/a.h": [1], "include/b.h": [3]])
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(first)
            try await store.put(fewer)
            let pack = try PackOnDisk.of(fewer, in: folder.path("store"))
            #expect(pack.index.blocks.isEmpty)
            #expect(pack.index.manifests.map(\.parent) == [first.manifest.digest])
            try await store.requireWhole(fewer)
        }
    }

    @Test func theSameUploadAgainWritesNothingButTheSighting() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        let clock = Mutex(1000)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.now = { clock.withLock { $0 } } }
            let (first, _) = try await store.put(kernel)
            let packs = try FolderListing.names(in: folder.path("store/packs"))
            // As it was; and the same tree in another archive.
            for (time, archive) in [(2000, kernel.archive), (3000, try CompressionTool.gzip.compress(kernel.archive))] {
                clock.withLock { $0 = time }
                let (receipt, isNew) = try await store.put(archive, as: KernelIdentity(buildID: kernel.id))
                #expect(!isNew)
                #expect(receipt.treeDigest == first.treeDigest && receipt.files == first.files)
                #expect(receipt.newBlobs == 0 && receipt.newBytes == 0 && receipt.storedBytes == 0)
                let summary = try await store.kernel(kernel.id)
                #expect(summary.firstSeen == 1000 && summary.lastSeen == time)
            }
            #expect(try FolderListing.names(in: folder.path("store/packs")) == packs)
            // A clock that went back does not take a sighting back.
            clock.withLock { $0 = 500 }
            try await store.put(kernel)
            #expect(try await store.kernel(kernel.id).lastSeen == 3000)
            try await store.requireNoStrays(in: folder.path("store"))
        }
    }

    @Test func anotherTreeForAKnownBuildIDIsAConflictAndChangesNothing() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel)
            // Twice the same other tree, then a third one.
            for (revision, conflicts) in [(2, 1), (2, 1), (3, 2)] {
                let other = try StoredKernel(id: 1, revision: revision)
                let problem = await #expect(throws: Problem.self) { try await store.put(other) }
                #expect(problem?.code == .treeConflict)
                #expect(problem?.detail.contains("\(other.manifest.digest)") == true)
                #expect(try await store.kernel(kernel.id).conflicts == conflicts)
            }
            let status = try await store.status()
            #expect(status.conflicts == 2 && status.kernels == 1 && status.packs == 1)
            try await store.requireWhole(kernel)
            try await store.requireNoStrays(in: folder.path("store"))
        }
    }

    static func text(seed: String, bytes: Int) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        var text: [UInt8] = []
        text.reserveCapacity(bytes + 40)
        while text.count < bytes {
            text += "#define REGISTER_\(random.next() % 10_000) 0x\(random.next() % 100)\n".utf8
        }
        return Array(text.prefix(bytes))
    }
}
