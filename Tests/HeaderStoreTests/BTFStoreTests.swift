import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

/// BTF in the store: kept for each kernel, with its headers or without them.
@Suite struct BTFStoreTests {
    private let kernel: StoredKernel
    private let btf = SmallBTF.bytes(["task_struct", "sched_entity"])

    init() throws { kernel = try StoredKernel(id: 1, revision: 1) }

    @Test(arguments: [false, true])
    func whatGoesInComesOut(isBigEndian: Bool) async throws {
        let btf = SmallBTF.bytes((0..<5000).map { "name_\($0)" }, isBigEndian: isBigEndian)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            let (receipt, isNew) = try await store.put(btf: btf, of: kernel.id)
            #expect(isNew)
            #expect((receipt.buildID, receipt.digest, receipt.bytes) == (kernel.id, Digest(of: btf), btf.count))
            // It compresses, and what is told of it is what lies there.
            #expect(receipt.storedBytes < btf.count / 3)
            let status = try await store.status()
            #expect((status.btfKernels, status.btfBytes) == (1, receipt.storedBytes))
            for _ in 1...2 {
                let stored = try #require(try await store.btf(of: kernel.id))
                #expect(stored.digest == Digest(of: btf))
                try requireSame(stored.bytes, btf)
            }
            try await store.requireNoStrays(in: state)
            // The same again.
            let (again, isNewAgain) = try await store.put(btf: btf, of: kernel.id)
            #expect(!isNewAgain)
            #expect(again.storedBytes == 0)
            try store.close()

            let reopened = try HeaderStore(folder: state)
            try requireSame(try #require(try await reopened.btf(of: kernel.id)).bytes, btf)
            try await reopened.requireNoStrays(in: state)
        }
    }

    @Test func headersAndBTFNeedNotComeTogether() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let unknown = await #expect(throws: Problem.self) { try await store.btf(of: kernel.id) }
            #expect(unknown?.code == .kernelUnknown)
            try await store.put(btf: btf, of: kernel.id)
            let problem = await #expect(throws: Problem.self) { try await store.kernel(kernel.id) }
            #expect(problem?.code == .kernelHasNoHeaders)
            #expect(try await store.kernels(limit: 10).kernels.isEmpty)

            try await store.put(kernel)
            let summary = try await store.kernel(kernel.id)
            #expect(summary.btfBytes == btf.count)
            #expect(summary.identity.hasBTF == true)
            #expect(try await store.kernels(limit: 10).kernels.map(\.summary) == [summary])

            let other = try StoredKernel(id: 2, revision: 2)
            try await store.put(other)
            #expect(try await store.kernel(other.id).btfBytes == nil)
            #expect(try await store.btf(of: other.id) == nil)
        }
    }

    @Test func anotherBTFIsAConflict() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(btf: btf, of: kernel.id)
            let problem = await #expect(throws: Problem.self) {
                try await store.put(btf: SmallBTF.bytes(["other"]), of: kernel.id)
            }
            #expect(problem?.code == .btfConflict)
            #expect(try await store.btf(of: kernel.id)?.bytes == btf)
            try await store.requireNoStrays(in: state)
        }
    }

    @Test func whatIsNoBTFIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for bytes in [[], Array(btf.dropLast()), Array("not BTF, but longer than a header".utf8)] {
                let problem = await #expect(throws: Problem.self) { try await store.put(btf: bytes, of: kernel.id) }
                #expect(problem?.code == .btfMalformed)
            }
            #expect(try await store.status().btfKernels == 0)
            try await store.requireNoStrays(in: state)
        }
    }

    @Test func theLimitIsThatOfBTF() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) { $0.btfBytes = btf.count }
            try await store.put(btf: btf, of: kernel.id)
            let larger = SmallBTF.bytes(["task_struct", "sched_entity", ""])
            let other = try StoredKernel(id: 2, revision: 2)
            #expect(throws: Problem.self) { try store.stageBTF(expecting: larger.count) }
            let upload = try store.stageBTF(expecting: nil)
            let problem = #expect(throws: Problem.self) { try larger.withUnsafeBytes { try upload.write($0) } }
            #expect(problem?.code == .uploadTooLarge)
            // Headers have theirs.
            #expect(try await store.put(other).isNew)
        }
    }

    @Test func damageIsFoundNotServedAndMendedByTheNextUpload() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let first = try HeaderStore(folder: state)
            try await first.put(btf: btf, of: kernel.id)
            try first.close()
            let name = "store/btf/\(try #require(folder.names(in: "store/btf").first))"
            let frame = try folder.read(name)
            for position in stride(from: 0, to: frame.count, by: 7) {
                var damaged = frame
                damaged[position] ^= 0x10
                try folder.write(damaged, to: name)
                let store = try HeaderStore(folder: state)
                defer { try? store.close() }
                // A flip may be in a bit that means nothing.
                if let good = try? await store.btf(of: kernel.id) {
                    #expect(good.bytes == btf)
                    continue
                }
                let problem = await #expect(throws: Problem.self) { try await store.btf(of: kernel.id) }
                #expect(problem?.code == .storeDamaged)
                let (receipt, isNew) = try await store.put(btf: btf, of: kernel.id)
                #expect(!isNew)
                #expect(receipt.storedBytes == frame.count)
                #expect(try await store.btf(of: kernel.id)?.bytes == btf)
                #expect(try folder.read(name) == frame)
            }
        }
    }

    @Test func aFileThatIsGoneIsDamage() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(btf: btf, of: kernel.id)
            let name = try #require(folder.names(in: "store/btf").first)
            try PosixFileSystem().remove(folder.path("store/btf/\(name)"))
            let problem = await #expect(throws: Problem.self) { try await store.btf(of: kernel.id) }
            #expect(problem?.code == .storeDamaged)
            try await store.put(btf: btf, of: kernel.id)
            #expect(try await store.btf(of: kernel.id)?.bytes == btf)
        }
    }

    /// Whatever else lies there is not ours, and stays.
    @Test func filesOfOtherNamesAreNotTouched() async throws {
        let digest = Digest(of: btf)
        let names = [
            "notes.txt", "\(kernel.id).btf.zst", "\(kernel.id).\(digest).x.btf.zst", "XX.\(digest).1.btf.zst",
            "\(kernel.id).\(digest).1.btf", ".\(digest).1.btf.zst",
        ]
        try await withTemporaryFolder { folder in
            for name in names { try folder.write([1], to: "store/btf/\(name)") }
            let store = try HeaderStore(folder: folder.path("store"))
            #expect(try await store.status().btfKernels == 0)
            try await store.put(btf: btf, of: kernel.id)
            #expect(try await store.btf(of: kernel.id)?.bytes == btf)
            #expect(Set(folder.names(in: "store/btf")).isSuperset(of: names))
        }
    }

    /// As by a hand that copies files from another server: the order of the names decides, on each start the same.
    @Test func ofTwoFilesOneCounts() async throws {
        let other = SmallBTF.bytes(["other"])
        try await withTemporaryFolder { folder in
            for (number, bytes) in [btf, other].enumerated() {
                let store = try HeaderStore(folder: folder.path("\(number)"))
                try await store.put(btf: bytes, of: kernel.id)
                try store.close()
            }
            let name = try #require(folder.names(in: "1/btf").first)
            try folder.write(try folder.read("1/btf/\(name)"), to: "0/btf/\(name)")
            let first = try #require(folder.names(in: "0/btf").first)
            let store = try HeaderStore(folder: folder.path("0"))
            let digest = try #require(try await store.btf(of: kernel.id)).digest
            #expect(first.contains("\(digest)"))
            #expect(try await store.status().btfKernels == 1)
        }
    }

    @Test func aRebuildKeepsIt() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            let alone = try StoredKernel(id: 2, revision: 2)
            try await store.put(kernel)
            for id in [kernel.id, alone.id] { try await store.put(btf: btf, of: id) }
            try store.close()
            for suffix in ["", "-wal", "-shm"] { try PosixFileSystem().remove("\(state)/catalogue.sqlite\(suffix)") }
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 1)
            let rebuilt = try HeaderStore(folder: state)
            for id in [kernel.id, alone.id] { #expect(try await rebuilt.btf(of: id)?.bytes == btf) }
            try await rebuilt.requireNoStrays(in: state)
        }
    }

    @Test func aFullDiskRefusesIt() async throws {
        let free = Mutex(Int.max / 2)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) { $0.freeBytes = { free.withLock { $0 } } }
            let upload = try store.stageBTF(expecting: btf.count)
            try btf.withUnsafeBytes { try upload.write($0) }
            free.withLock { $0 = DiskBudget.margin }
            let problem = await #expect(throws: Problem.self) {
                try await store.ingestBTF(upload, digest: try upload.finish(), buildID: kernel.id)
            }
            #expect(problem?.code == .diskFull)
            try await store.requireNoStrays(in: state)
            #expect(throws: Problem.self) { try store.stageBTF(expecting: 1) }
            free.withLock { $0 = .max / 2 }
            try await store.put(btf: btf, of: kernel.id)
            #expect(try await store.btf(of: kernel.id)?.bytes == btf)
        }
    }

    /// Not in `#expect`, which would print both.
    private func requireSame(_ one: [UInt8], _ other: [UInt8]) throws {
        let isSame = one == other
        try #require(isSame)
    }
}
