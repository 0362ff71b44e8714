internal import Synchronization

/// Raw blocks that were read lately, up to a number of bytes; the least recently used goes first.
final class BlockCache: Sendable {
    struct Key: Hashable {
        let pack: Int
        let block: Int
    }

    private struct State {
        var blocks: [Key: (bytes: [UInt8], used: Int)] = [:]
        var total = 0
        var clock = 0
    }

    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func block(_ key: Key, read: () throws -> [UInt8]) throws -> [UInt8] {
        let cached = state.withLock { state -> [UInt8]? in
            state.clock += 1
            state.blocks[key]?.used = state.clock
            return state.blocks[key]?.bytes
        }
        if let cached { return cached }
        let bytes = try read()
        state.withLock { state in
            state.clock += 1
            if let old = state.blocks.updateValue((bytes, state.clock), forKey: key) { state.total -= old.bytes.count }
            state.total += bytes.count
            while state.total > limit, let oldest = state.blocks.min(by: { $0.value.used < $1.value.used }) {
                state.blocks[oldest.key] = nil
                state.total -= oldest.value.bytes.count
            }
        }
        return bytes
    }
}
