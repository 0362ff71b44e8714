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
    private let entryBytes: Int

    /// - Parameters:
    ///   - limit: bytes.
    ///   - entryBytes: what each value takes beside its own.
    init(limit: Int, entryBytes: Int = 0) {
        self.limit = limit
        self.entryBytes = entryBytes
    }

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
        let taken = bytes.count + entryBytes
        guard taken <= limit else { return bytes }
        state.withLock { state in
            state.clock += 1
            let old = state.entries.updateValue((bytes, state.clock), forKey: key)
            state.total += taken - (old.map { $0.bytes.count + entryBytes } ?? 0)
            guard state.total > limit else { return }
            // An eighth goes at once: many come and go between two sorts.
            for (oldest, entry) in state.entries.sorted(by: { $0.value.used < $1.value.used }) where oldest != key {
                guard state.total > limit - limit / 8 else { return }
                state.entries[oldest] = nil
                state.total -= entry.bytes.count + entryBytes
            }
        }
        return bytes
    }
}
