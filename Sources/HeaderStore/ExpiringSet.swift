/// Values that are remembered for a time, at most so many of them: then the oldest are forgotten first.
struct ExpiringSet<Element: Hashable & Sendable>: Sendable {
    private let capacity: Int
    private var expiries: [Element: Int] = [:]
    /// In the order of insertion, with the expiry of then. What is in here twice counts as the later one.
    private var order: [(element: Element, expiry: Int)] = []
    private var first = 0

    /// - Parameter capacity: at least 1.
    init(capacity: Int) { self.capacity = capacity }

    var count: Int { expiries.count }

    func contains(_ element: Element, now: Int) -> Bool { expiries[element].map { now < $0 } ?? false }

    mutating func insert(_ element: Element, until expiry: Int) {
        expiries[element] = expiry
        order.append((element, expiry))
        while order.count - first > capacity {
            let oldest = order[first]
            first += 1
            if expiries[oldest.element] == oldest.expiry { expiries[oldest.element] = nil }
        }
        if first > capacity {
            order.removeFirst(first)
            first = 0
        }
    }
}
