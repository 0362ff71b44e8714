import KernelHeaders
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct BlockCacheTests {
    @Test func theLeastRecentlyUsedGoesFirst() throws {
        let cache = BlockCache(limit: 250)
        var reads: [Int] = []
        func read(_ block: Int) throws {
            let bytes = try cache.block(.init(pack: 1, block: block)) {
                reads.append(block)
                return [UInt8](repeating: UInt8(block), count: 100)
            }
            #expect(bytes == [UInt8](repeating: UInt8(block), count: 100))
        }
        for block in [1, 2, 1, 3, 1, 2, 3] { try read(block) }
        // 3 takes the place of 2, as 1 was used since; 2 that of 3.
        #expect(reads == [1, 2, 3, 2, 3])
    }

    @Test func packsAreKeptApart() throws {
        let cache = BlockCache(limit: 100)
        #expect(try cache.block(.init(pack: 1, block: 0)) { [1] } == [1])
        #expect(try cache.block(.init(pack: 2, block: 0)) { [2] } == [2])
        #expect(try cache.block(.init(pack: 1, block: 0)) { [3] } == [1])
    }

    @Test func aBlockOverTheLimitIsReadAndNotKept() throws {
        let cache = BlockCache(limit: 10)
        let key = BlockCache.Key(pack: 1, block: 1)
        #expect(try cache.block(key) { [UInt8](repeating: 1, count: 11) }.count == 11)
        #expect(try cache.block(key) { [2] } == [2])
    }

    @Test func aFailureIsNotKept() throws {
        let cache = BlockCache(limit: 10)
        let key = BlockCache.Key(pack: 1, block: 1)
        #expect(throws: Problem.self) { try cache.block(key) { throw PackedReader.damaged } }
        #expect(try cache.block(key) { [1] } == [1])
    }
}
