internal import Synchronization

/// What was used lately, up to a weight; the least recently used goes first. Each step takes the same time, however much there
/// is.
struct RecentlyUsed<Key: Hashable, Value> {
    typealias Entry = (key: Key, value: Value)

    private var slots: [Key: Int] = [:]
    /// What is in each slot, and what it weighs.
    private var contents: [(entry: Entry, weight: Int)?] = [nil]
    /// Of each slot the neighbours in the order of use: a ring, in which slot 0, which holds nothing, lies between the newest
    /// and the oldest.
    private var links: [(older: Int, newer: Int)] = [(0, 0)]
    private var free: [Int] = []
    private var total = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Counts as use.
    mutating func value(_ key: Key) -> Value? {
        guard let slot = slots[key] else { return nil }
        unlink(slot)
        linkAsNewest(slot)
        return contents[slot]?.entry.value
    }

    /// Takes a value in, in the place of the key's older one. May leave more than there may be: see ``trim(atMost:)``.
    ///
    /// - Returns: the older one.
    @discardableResult
    mutating func keep(_ value: Value, weight: Int, for key: Key) -> Value? {
        let old = slots[key].flatMap { contents[$0] }
        if let slot = slots[key] {
            unlink(slot)
            total -= old?.weight ?? 0
        } else if let slot = free.popLast() {
            slots[key] = slot
        } else {
            slots[key] = contents.count
            contents.append(nil)
            links.append((0, 0))
        }
        if let slot = slots[key] {
            contents[slot] = ((key, value), weight)
            linkAsNewest(slot)
        }
        total += weight
        return old?.entry.value
    }

    /// Lets go of the oldest until the rest is no heavier than it may be. The newest stays in any case.
    ///
    /// - Parameter count: how many may go at once.
    /// - Returns: those, for whoever holds a lock to free them after it.
    @discardableResult
    mutating func trim(atMost count: Int = .max) -> [Entry] {
        var gone: [Entry] = []
        while total > limit, gone.count < count, slots.count > 1 {
            let slot = links[0].newer
            guard let (entry, weight) = contents[slot] else { break }
            unlink(slot)
            contents[slot] = nil
            slots[entry.key] = nil
            free.append(slot)
            total -= weight
            gone.append(entry)
        }
        return gone
    }

    private mutating func unlink(_ slot: Int) {
        let (older, newer) = links[slot]
        links[older].newer = newer
        links[newer].older = older
    }

    private mutating func linkAsNewest(_ slot: Int) {
        let newest = links[0].older
        links[slot] = (newest, 0)
        links[newest].newer = slot
        links[0].older = slot
    }
}

extension Mutex where Value: ~Copyable {
    /// Lets go of what is too much in a table of the value. Event loops wait for such a lock: it is held for a few entries at
    /// a time, and these are freed after it.
    func trim<Key: Sendable, Entry: Sendable>(
        _ table: any WritableKeyPath<Value, RecentlyUsed<Key, Entry>> & Sendable
    ) {
        while !withLock({ $0[keyPath: table].trim(atMost: 64) }).isEmpty {}
    }
}
