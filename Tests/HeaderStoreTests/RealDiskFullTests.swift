import Glibc
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// A disk that is full in earnest: a small file system of its own. Nothing is reserved; the writes themselves
/// fail, wherever the last free byte happens to be used.
@Suite(.serialized, .enabled(if: SmallDisk.canMount, "takes the right to mount a tmpfs"))
struct RealDiskFullTests {
    @Test func onAFullDiskAnUploadIsRefusedAndTheStoreStaysAsItIs() async throws {
        let first = try StoredKernel(id: 1, revision: 1)
        let disk = try SmallDisk(bytes: 12 << 20)
        let state = "\(disk.path)/store"
        let store = try HeaderStore(folder: state) { $0.freeBytes = { .max / 2 } }
        try await store.put(first)
        var refusals: Set<String> = []
        var taken = 0
        for kilobytes in stride(from: 0, through: 240, by: 8) {
            // 20 kB that can't be compressed, so that upload, spool, pack and catalogue all need room.
            let kernel = try Self.kernel(id: UInt8(kilobytes / 8 + 2))
            try disk.fillUp(leaving: kilobytes << 10)
            do {
                try await store.put(kernel)
                taken += 1
                try disk.empty()
            } catch {
                #expect(Self.isDiskFull(error), "\(error) with \(kilobytes) kB free")
                refusals.insert("\(type(of: error))")
                try disk.empty()
                try await store.requireNoStrays(in: state)
                #expect(try await !store.has(kernel))
                #expect(try await store.put(kernel).isNew)
            }
            try await store.requireWhole(kernel)
            try await store.requireWhole(first)
        }
        // By a call of the store's own, and by SQLite.
        #expect(refusals == ["SystemCallError", "Problem"])
        #expect(taken > 3)
        try store.close()
        let again = try HeaderStore(folder: state)
        try await again.requireNoStrays(in: state)
        try again.close()
    }

    @Test func onAnAlmostFullDiskTheBudgetRefusesFirst() async throws {
        let disk = try SmallDisk(bytes: 2 << 20)
        let store = try HeaderStore(folder: "\(disk.path)/store")
        // The margin alone is 64 MB.
        let problem = await #expect(throws: Problem.self) { try await store.put(try StoredKernel(id: 1, revision: 1)) }
        #expect(problem?.code == .diskFull)
        try await store.requireNoStrays(in: "\(disk.path)/store")
        try store.close()
    }

    private static func isDiskFull(_ error: any Error) -> Bool {
        (error as? SystemCallError)?.isDiskFull ?? ((error as? Problem)?.code == .diskFull)
    }

    private static func kernel(id: UInt8) throws -> StoredKernel {
        var random = SeededGenerator(seed: UInt64(id))
        let noise = (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        return try StoredKernel(id: id, files: ["include/linux/noise.h": noise, "include/linux/bpf.h": [id]])
    }
}
