import Testing

@testable import HeaderStore

@Suite struct ExpiringSetTests {
    @Test func whatIsInItExpires() {
        var set = ExpiringSet<String>(capacity: 2)
        set.insert("a", until: 10)
        #expect(set.contains("a", now: 9))
        #expect(!set.contains("a", now: 10))
        #expect(!set.contains("b", now: 9))
        set.insert("a", until: 20)
        #expect(set.contains("a", now: 19))
    }

    @Test func theOldestGoFirst() {
        var set = ExpiringSet<Int>(capacity: 100)
        for number in 0..<1000 { set.insert(number, until: number) }
        #expect(set.count == 100)
        #expect((0..<1000).filter { set.contains($0, now: -1) } == Array(900..<1000))
    }

    /// What is put in again stays as long as the later time says.
    @Test func whatIsPutInAgainIsNew() {
        var set = ExpiringSet<Int>(capacity: 3)
        for (number, expiry) in [(1, 10), (2, 11), (1, 12), (3, 13)] { set.insert(number, until: expiry) }
        #expect([1, 2, 3].filter { set.contains($0, now: 0) } == [1, 2, 3])
        set.insert(4, until: 14)
        #expect([1, 2, 3, 4].filter { set.contains($0, now: 0) } == [1, 3, 4])
    }
}
