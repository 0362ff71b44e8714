internal import Synchronization

/// What was decompressed lately, up to a number of bytes; the least recently used goes first.
final class ByteCache<Key: Hashable & Sendable>: Sendable {
    private let state: Mutex<RecentlyUsed<Key, [UInt8]>>
    private let limit: Int
    private let entryBytes: Int

    /// - Parameters:
    ///   - limit: bytes. What was just read may be there beside them for a moment.
    ///   - entryBytes: what each value takes beside its own.
    init(limit: Int, entryBytes: Int = 0) {
        state = Mutex(RecentlyUsed(limit: limit))
        self.limit = limit
        self.entryBytes = entryBytes
    }

    /// Nil if it has to be read.
    func kept(_ key: Key) -> [UInt8]? { state.withLock { $0.value(key) } }

    func bytes(_ key: Key, read: () throws -> [UInt8]) throws -> [UInt8] {
        if let bytes = kept(key) { return bytes }
        let bytes = try read()
        let taken = bytes.count + entryBytes
        guard taken <= limit else { return bytes }
        _ = state.withLock { $0.keep(bytes, weight: taken, for: key) }
        state.trim(\.self)
        return bytes
    }
}
