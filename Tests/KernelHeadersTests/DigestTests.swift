import FoundationEssentials
import KernelHeaders
import Testing

@Suite struct DigestTests {
    static let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test func goesFromTextToBytesAndBack() throws {
        let digest = try #require(Digest(Self.text))
        #expect(digest.bytes.prefix(4) == [0xBA, 0x78, 0x16, 0xBF])
        #expect(digest.bytes.count == Digest.length)
        #expect(digest.description == Self.text)
        #expect(Digest(bytes: digest.bytes) == digest)
    }

    @Test func everyByteCounts() throws {
        let digest = try #require(Digest(Self.text))
        for index in 0..<Digest.length {
            var bytes = digest.bytes
            bytes[index] ^= 1
            let other = try #require(Digest(bytes: bytes))
            #expect(other != digest)
            #expect(other.bytes == bytes)
        }
    }

    @Test func refusesOtherLengthsAndUpperCase() {
        #expect(Digest(Self.text.uppercased()) == nil)
        #expect(Digest(String(Self.text.dropLast(2))) == nil)
        #expect(Digest(Self.text + "00") == nil)
        #expect(Digest(String(Self.text.dropLast()) + "g") == nil)
        #expect(Digest("") == nil)
        #expect(Digest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(Digest(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    }

    @Test func isAStringInJSON() throws {
        let digest = try #require(Digest(Self.text))
        let json = try JSONEncoder().encode([digest])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(Self.text)\"]")
        #expect(try JSONDecoder().decode([Digest].self, from: json) == [digest])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([Digest].self, from: Data("[\"ba\"]".utf8)) }
    }
}
