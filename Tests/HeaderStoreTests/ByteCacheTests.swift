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

    /// One sort for many that come: an eighth goes when there is no more room.
    @Test func anEighthGoesAtOnce() throws {
        let cache = ByteCache<Int>(limit: 80)
        for key in 0..<9 { _ = try cache.bytes(key) { [UInt8](repeating: 0, count: 10) } }
        #expect((0..<9).map { cache.kept($0) != nil } == [false, false] + [Bool](repeating: true, count: 7))
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
