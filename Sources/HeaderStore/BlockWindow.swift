/// The blocks that a reading of many files holds, up to a number of raw bytes; the least recently used goes first.
///
/// The same for a reading, which holds bytes, and for its forecast, which holds nothing: so both decompress the same blocks
/// as often.
struct BlockWindow<Value> {
    private var entries: [BlockKey: (value: Value, bytes: Int, used: Int)] = [:]
    /// Each use, the oldest first; only a block's last one counts.
    private var uses: [(key: BlockKey, used: Int)] = []
    private var firstUse = 0
    private var clock = 0
    private var total = 0
    private let limit: Int
    private let entryBytes: Int

    /// - Parameters:
    ///   - limit: raw bytes.
    ///   - entryBytes: what each block takes beside its own.
    init(limit: Int, entryBytes: Int = 0) {
        self.limit = limit
        self.entryBytes = entryBytes
    }

    /// Nil if it has to be read.
    mutating func value(_ key: BlockKey) -> Value? {
        guard let value = entries[key]?.value else { return nil }
        use(key)
        return value
    }

    /// Takes in what was not there.
    mutating func keep(_ value: Value, bytes: Int, for key: BlockKey) {
        entries[key] = (value, bytes + entryBytes, 0)
        total += bytes + entryBytes
        use(key)
        while total > limit {
            let (key, used) = uses[firstUse]
            firstUse += 1
            guard let entry = entries[key], entry.used == used else { continue }
            entries[key] = nil
            total -= entry.bytes
        }
        if firstUse > uses.count / 2 {
            uses.removeFirst(firstUse)
            firstUse = 0
        }
    }

    private mutating func use(_ key: BlockKey) {
        clock += 1
        entries[key]?.used = clock
        uses.append((key, clock))
    }
}
