import FoundationEssentials
import KernelHeaders
import Testing

@Suite struct BuildIDTests {
    static let text = "0123456789abcdef0123456789abcdef01234567"

    @Test func hasOneTextFormAndItsBytes() throws {
        let id = try #require(BuildID(Self.text))
        #expect(id.bytes.prefix(3) == [0x01, 0x23, 0x45])
        #expect(id.bytes.count == 20)
        #expect(id.description == Self.text)
        #expect(BuildID(bytes: id.bytes) == id)
    }

    @Test(arguments: [
        "", "0", "abc", "ABCD", "0123456789ABCDEF0123456789abcdef01234567", "xy", " 01", "01 ", "0x01", "01\n", "٠١",
        "é1", "0\u{301}1", "../..", "01/2",
    ])
    func refusesWhatIsNotLowerCaseHexadecimal(_ text: String) {
        #expect(BuildID(text) == nil)
    }

    @Test func takesOneToSixtyFourBytes() {
        #expect(BuildID("ab") != nil)
        #expect(BuildID(String(repeating: "ab", count: 64)) != nil)
        #expect(BuildID(String(repeating: "ab", count: 65)) == nil)
        #expect(BuildID(bytes: []) == nil)
        #expect(BuildID(bytes: [UInt8](repeating: 1, count: 64)) != nil)
        #expect(BuildID(bytes: [UInt8](repeating: 1, count: 65)) == nil)
    }

    @Test func isInTheOrderOfItsBytes() throws {
        let ids = ["00ff", "01", "0100", "ff"].compactMap { BuildID($0) }
        #expect(ids.count == 4)
        #expect(ids.shuffled().sorted() == ids)
    }

    @Test func isAStringInJSON() throws {
        let id = try #require(BuildID(Self.text))
        let json = try JSONEncoder().encode([id])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(Self.text)\"]")
        #expect(try JSONDecoder().decode([BuildID].self, from: json) == [id])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([BuildID].self, from: Data("[\"AB\"]".utf8)) }
    }
}
