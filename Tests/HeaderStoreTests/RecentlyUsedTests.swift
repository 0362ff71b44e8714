import KHeaderTestSupport
import Testing

@testable import HeaderStore

@Suite struct RecentlyUsedTests {
    @Test func aHeavierValueTakesThePlaceOfItsKeysOlderOne() {
        var table = RecentlyUsed<String, Int>(limit: 10)
        for (value, key) in ["a", "b", "c"].enumerated() { table.keep(value, weight: 3, for: key) }
        #expect(table.trim().isEmpty)
        // It is the newest now, and together they are too heavy.
        #expect(table.keep(10, weight: 5, for: "a") == 0)
        #expect(table.trim().map(\.key) == ["b"])
        #expect(table.value("a") == 10 && table.value("b") == nil && table.value("c") == 2)
    }

    @Test func soManyGoAtOnceTheOldestFirstAndNeverTheNewest() {
        var table = RecentlyUsed<Int, Int>(limit: 10)
        for key in 0..<6 { table.keep(key, weight: key == 5 ? 20 : 1, for: key) }
        #expect(table.trim(atMost: 2).map(\.value) == [0, 1])
        #expect(table.trim(atMost: 2).map(\.value) == [2, 3])
        #expect(table.trim(atMost: 2).map(\.value) == [4])
        #expect(table.trim(atMost: 2).isEmpty)
        #expect(table.value(5) == 5)
    }

    /// Held against a list that is gone through each time.
    @Test func itDoesWhatAListDoes() {
        var random = SeededGenerator(seed: "recently used")
        var table = RecentlyUsed<Int, Int>(limit: 100)
        // The newest last.
        var list: [(key: Int, value: Int, weight: Int)] = []
        for value in 0..<5000 {
            let key = Int(random.next() % 40)
            let place = list.firstIndex { $0.key == key }
            if random.next() % 2 == 0 {
                #expect(table.value(key) == place.map { list[$0].value })
                if let place { list.append(list.remove(at: place)) }
                continue
            }
            let weight = Int(random.next() % 12)
            #expect(table.keep(value, weight: weight, for: key) == place.map { list.remove(at: $0).value })
            list.append((key, value, weight))
            var gone: [Int] = []
            while list.reduce(0, { $0 + $1.weight }) > 100 { gone.append(list.removeFirst().value) }
            #expect(table.trim().map(\.value) == gone)
        }
    }
}
