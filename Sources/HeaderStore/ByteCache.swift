internal import Synchronization

/// What was decompressed lately, up to a number of bytes; the least recently used goes first.
final class ByteCache<Key: Hashable & Sendable>: Sendable {
    private struct State {
        var entries: [Key: (bytes: [UInt8], used: Int)] = [:]
        var total = 0
        var clock = 0
    }

    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Nil if it has to be read.
    func kept(_ key: Key) -> [UInt8]? {
        state.withLock { state -> [UInt8]? in
            state.clock += 1
            state.entries[key]?.used = state.clock
            return state.entries[key]?.bytes
        }
    }

    func bytes(_ key: Key, read: () throws -> [UInt8]) throws -> [UInt8] {
        if let bytes = kept(key) { return bytes }
        let bytes = try read()
        state.withLock { state in
            state.clock += 1
            if let old = state.entries.updateValue((bytes, state.clock), forKey: key) { state.total -= old.bytes.count }
            state.total += bytes.count
            while state.total > limit, let oldest = state.entries.min(by: { $0.value.used < $1.value.used }) {
                state.entries[oldest.key] = nil
                state.total -= oldest.value.bytes.count
            }
        }
        return bytes
    }
}
