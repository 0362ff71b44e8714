import Testing

@testable import HeaderServer

@Suite struct ByteRangeRequestTests {
    @Test(arguments: [
        ("bytes=0-0", [0..<1]), ("bytes=0-", [0..<100]), ("bytes=99-", [99..<100]), ("bytes=-1", [99..<100]),
        ("bytes=-100", [0..<100]), ("bytes=-101", [0..<100]), ("bytes=10-1000", [10..<100]),
        ("bytes=10-99999999999999999999", [10..<100]), ("bytes=-99999999999999999999", [0..<100]),
        ("bytes=1-2,4-5", [1..<3, 4..<6]), ("bytes=4-5 ,\t1-2", [4..<6, 1..<3]), ("bytes=,1-2,,", [1..<3]),
        ("bytes=1-2,100-", [1..<3]), ("bytes=-0,1-1", [1..<2]), ("BYTES=1-1", [1..<2]),
        ("bytes=0-9,5-9", [0..<10, 5..<10]),
        ("bytes=007-08", [7..<9]),
    ])
    func parts(_ field: String, _ parts: [Range<Int>]) {
        #expect(ByteRangeRequest(field, length: 100) == .parts(parts))
    }

    @Test(arguments: ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=100-,-0", "bytes=99999999999999999999-"])
    func unsatisfiable(_ field: String) {
        #expect(ByteRangeRequest(field, length: 100) == .unsatisfiable)
    }

    @Test(arguments: [
        nil, "", "bytes", "bytes=", "bytes=,", "bytes= ", "bytes=-", "bytes=--1", "bytes=1--2", "bytes=1-2-3",
        "bytes=2-1",
        "bytes=a-", "bytes=1-2,x", "bytes=+1-2", "bytes=1 - 2", "items=0-1", "=0-1", "bytes=٣-٤", "bytes=0-0\u{301}",
        "bytes=0-,0-,0-",
    ])
    func whole(_ field: String?) {
        #expect(ByteRangeRequest(field, length: 100) == .whole)
    }

    @Test func nothingHasNoParts() {
        for field in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            #expect(ByteRangeRequest(field, length: 0) == .unsatisfiable)
        }
    }

    @Test func manyParts() {
        func field(_ count: Int) -> String {
            "bytes=" + (0..<count).map { "\($0 * 2)-\($0 * 2)" }.joined(separator: ",")
        }
        let most = ByteRangeRequest.maximumParts
        #expect(ByteRangeRequest(field(most), length: 1000) == .parts((0..<most).map { $0 * 2..<$0 * 2 + 1 }))
        #expect(ByteRangeRequest(field(most + 1), length: 1000) == .whole)
        // Those that are not there do not count.
        #expect(ByteRangeRequest(field(most + 1), length: 2 * most) == .parts((0..<most).map { $0 * 2..<$0 * 2 + 1 }))
    }
}
