import KernelHeaders
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct ByteCacheTests {
    @Test func theLeastRecentlyUsedGoesFirst() throws {
        let cache = ByteCache<BlockKey>(limit: 250)
        var reads: [Int] = []
        func read(_ block: Int) throws {
            let bytes = try cache.bytes(.init(pack: 1, block: block)) {
                reads.append(block)
                return [UInt8](repeating: UInt8(block), count: 100)
            }
            #expect(bytes == [UInt8](repeating: UInt8(block), count: 100))
        }
        for block in [1, 2, 1, 3, 1, 2, 3] { try read(block) }
        // 3 takes the place of 2, as 1 was used since; 2 that of 3.
        #expect(reads == [1, 2, 3, 2, 3])
    }

    /// A key that tells when nobody holds it any more.
    private struct WatchedKey: Hashable {
        final class End: Sendable {
            let tell: @Sendable () -> Void
            init(_ tell: @escaping @Sendable () -> Void) { self.tell = tell }
            deinit { tell() }
        }

        let id: Int
        var end: End?

        static func == (one: Self, other: Self) -> Bool { one.id == other.id }
        func hash(into hasher: inout Hasher) { hasher.combine(id) }
    }

    /// Whoever frees it may take the lock, and nobody waits for that.
    @Test func whatGoesIsFreedAfterTheLock() throws {
        let cache = ByteCache<WatchedKey>(limit: 1000)
        let ended = Mutex(0)
        for id in 0..<200 {
            let end = WatchedKey.End { [weak cache] in
                ended.withLock { $0 += 1 }
                #expect(cache?.kept(WatchedKey(id: -1)) == nil)
            }
            _ = try cache.bytes(WatchedKey(id: id, end: end)) { [1, 2, 3, 4, 5] }
        }
        #expect(ended.withLock { $0 } == 0)
        _ = try cache.bytes(WatchedKey(id: 200)) { [UInt8](repeating: 0, count: 995) }
        #expect(ended.withLock { $0 } == 199)
        #expect((0...200).filter { cache.kept(WatchedKey(id: $0)) != nil } == [199, 200])
    }

    @Test func packsAreKeptApart() throws {
        let cache = ByteCache<BlockKey>(limit: 100)
        #expect(try cache.bytes(.init(pack: 1, block: 0)) { [1] } == [1])
        #expect(try cache.bytes(.init(pack: 2, block: 0)) { [2] } == [2])
        #expect(try cache.bytes(.init(pack: 1, block: 0)) { [3] } == [1])
    }

    @Test func aBlockOverTheLimitIsReadAndNotKept() throws {
        let cache = ByteCache<BlockKey>(limit: 10)
        let key = BlockKey(pack: 1, block: 1)
        _ = try cache.bytes(.init(pack: 2, block: 1)) { [7] }
        #expect(try cache.bytes(key) { [UInt8](repeating: 1, count: 11) }.count == 11)
        // Nothing gives way to it.
        #expect(cache.kept(.init(pack: 2, block: 1)) == [7])
        #expect(try cache.bytes(key) { [2] } == [2])
    }

    @Test func aFailureIsNotKept() throws {
        let cache = ByteCache<BlockKey>(limit: 10)
        let key = BlockKey(pack: 1, block: 1)
        #expect(throws: Problem.self) { try cache.bytes(key) { throw PackedReader.damaged } }
        #expect(try cache.bytes(key) { [1] } == [1])
    }
}
