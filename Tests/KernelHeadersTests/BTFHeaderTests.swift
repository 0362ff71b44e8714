import KernelHeaders
import Testing

@Suite struct BTFHeaderTests {
    /// The header of a file of 24 + 8 + 5 bytes.
    private static let good: [UInt8] = [
        0x9F, 0xEB, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0,
    ]
    /// The same, as a machine of the other byte order has it.
    private static let swapped: [UInt8] = [
        0xEB, 0x9F, 1, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 5,
    ]

    @Test func bothByteOrdersAreRead() throws {
        for (bytes, isBigEndian) in [(Self.good, false), (Self.swapped, true)] {
            let header = try BTFHeader(bytes, fileLength: 37)
            #expect(header.isBigEndian == isBigEndian)
            #expect(header.types == 24..<32)
            #expect(header.strings == 32..<37)
        }
    }

    @Test func whatIsBehindTheSectionsIsNotLookedAt() throws {
        #expect(try BTFHeader(Self.good + [1, 2, 3], fileLength: 99).strings == 32..<37)
    }

    @Test func aLongerHeaderMovesTheSections() throws {
        var bytes = Self.good
        bytes[4] = 32
        #expect(try BTFHeader(bytes, fileLength: 45).types == 32..<40)
        #expect(throws: Problem.self) { try BTFHeader(bytes, fileLength: 44) }
    }

    @Test(arguments: [
        (0, 0x9E), (1, 0xEA), (2, 0), (2, 2), (4, 23), (4, 0), (4, 25), (7, 0x80), (8, 6), (11, 0xFF), (12, 14),
        (15, 0xFF), (16, 9), (19, 0xFF), (20, 6), (20, 0), (23, 0xFF),
    ])
    func aFieldThatCanNotBeIsRefused(offset: Int, value: Int) {
        var bytes = Self.good
        bytes[offset] = UInt8(value)
        let problem = #expect(throws: Problem.self) { try BTFHeader(bytes, fileLength: 37) }
        #expect(problem?.code == .btfMalformed)
        #expect(problem?.status == 422)
    }

    @Test func everyPartOfAHeaderIsRefused() {
        for count in 0..<BTFHeader.length {
            #expect(throws: Problem.self) { try BTFHeader(Self.good.prefix(count), fileLength: 37) }
        }
    }
}
