import HeaderArchive
import Testing

@Suite struct ByteSearchTests {
    private static let bytes = Array("\0ab\nabc\n\0abc".utf8)

    @Test(arguments: [
        ("a", 1), ("abc", 4), ("\nab", 3), ("\0abc", 8), ("c", 6), ("abcd", nil), ("bca", nil), ("\n", 3),
        ("\0ab\nabc\n\0abc", 0), ("\0ab\nabc\n\0abcd", nil),
    ])
    func theFirstOccurrenceIsFound(_ text: String, _ place: Int?) {
        #expect(Self.bytes.offset(of: Array(text.utf8)) == place)
    }

    /// Nothing is looked at before or behind the range, however close to its ends a match would be.
    @Test(arguments: [
        ("a", 2..<13, 4), ("abc", 5..<12, 9), ("abc", 5..<11, nil), ("\nab", 4..<13, nil), ("\nab", 3..<6, 3),
        ("\nab", 3..<5, nil), ("\0", 1..<8, nil), ("\0a", 8..<9, nil), ("a", 12..<12, nil), ("abc", 11..<12, nil),
    ])
    func onlyInTheRange(_ text: String, _ range: Range<Int>, _ place: Int?) {
        let range = range.clamped(to: Self.bytes.indices)
        #expect(Self.bytes.offset(of: Array(text.utf8), in: range) == place)
    }

    @Test func nothingIsInNothing() {
        #expect([UInt8]().offset(of: [1]) == nil)
    }
}
