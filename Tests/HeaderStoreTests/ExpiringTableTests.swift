import Testing

@testable import HeaderStore

@Suite struct ExpiringTableTests {
    @Test func whatIsInItExpires() {
        var table = ExpiringTable<String, Int>(capacity: 2)
        table.insert(1, for: "a", until: 10)
        #expect(table.value("a", now: 9) == 1)
        #expect(table.value("a", now: 10) == nil)
        #expect(table.value("b", now: 9) == nil)
        table.insert(2, for: "a", until: 20)
        #expect(table.value("a", now: 19) == 2)
        table.remove("a")
        #expect(table.value("a", now: 19) == nil && table.count == 0)
    }

    @Test func theOldestGoFirst() {
        var table = ExpiringTable<Int, Int>(capacity: 100)
        for number in 0..<1000 { table.insert(number, for: number, until: number) }
        #expect(table.count == 100)
        #expect((0..<1000).compactMap { table.value($0, now: -1) } == Array(900..<1000))
    }

    /// What is put in again stays as long as the later time says.
    @Test func whatIsPutInAgainIsNew() {
        var table = ExpiringTable<Int, Int>(capacity: 3)
        for (number, expiry) in [(1, 10), (2, 11), (1, 12), (3, 13)] {
            table.insert(number, for: number, until: expiry)
        }
        #expect([1, 2, 3].compactMap { table.value($0, now: 0) } == [1, 2, 3])
        table.insert(4, for: 4, until: 14)
        #expect([1, 2, 3, 4].compactMap { table.value($0, now: 0) } == [1, 3, 4])
    }
}
