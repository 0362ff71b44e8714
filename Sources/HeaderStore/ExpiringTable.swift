/// Values that are remembered for a time, at most so many of them: then the oldest are forgotten first.
struct ExpiringTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry {
        var value: Value
        var expiry: Int
    }

    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    /// In the order of insertion, with the expiry of then. What is in here twice counts as the later one.
    private var order: [(key: Key, expiry: Int)] = []
    private var first = 0

    /// - Parameter capacity: at least 1.
    init(capacity: Int) { self.capacity = capacity }

    var count: Int { entries.count }

    /// Nil if there is none, or it has expired.
    func value(_ key: Key, now: Int) -> Value? { entries[key].flatMap { now < $0.expiry ? $0.value : nil } }

    mutating func remove(_ key: Key) { entries[key] = nil }

    mutating func insert(_ value: Value, for key: Key, until expiry: Int) {
        entries[key] = Entry(value: value, expiry: expiry)
        order.append((key, expiry))
        while order.count - first > capacity {
            let oldest = order[first]
            first += 1
            if entries[oldest.key]?.expiry == oldest.expiry { entries[oldest.key] = nil }
        }
        if first > capacity {
            order.removeFirst(first)
            first = 0
        }
    }
}
