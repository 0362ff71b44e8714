/// The blocks that a reading of many files holds, up to a number of raw bytes; the least recently used goes first.
///
/// The same for a reading, which holds bytes, and for its forecast, which holds nothing: so both decompress the same blocks
/// as often.
struct BlockWindow<Value> {
    private var blocks: RecentlyUsed<BlockKey, Value>
    private let entryBytes: Int

    /// - Parameters:
    ///   - limit: raw bytes.
    ///   - entryBytes: what each block takes beside its own.
    init(limit: Int, entryBytes: Int = 0) {
        blocks = RecentlyUsed(limit: limit)
        self.entryBytes = entryBytes
    }

    /// Nil if it has to be read.
    mutating func value(_ key: BlockKey) -> Value? { blocks.value(key) }

    /// Takes in what was not there.
    mutating func keep(_ value: Value, bytes: Int, for key: BlockKey) {
        blocks.keep(value, weight: bytes + entryBytes, for: key)
        blocks.trim()
    }
}
