import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Numbers and records in tar headers that mean nothing, or too much.
@Suite struct MalformedHeaderTests {
    static func refusal(size: [UInt8], flag: Character = "0") throws -> ProblemCode? {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("include/a.h", flag: flag)
        header.size = size
        forge.add(header)
        return try ArchiveReading.refusal(of: forge.finished())
    }

    static func base256(_ value: UInt64, first: UInt8 = 0x80) -> [UInt8] {
        [first, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
    }

    @Test func negativeSize() throws {
        #expect(try Self.refusal(size: [UInt8](repeating: 0xFF, count: 12)) == .archiveCorrupt)
        #expect(try Self.refusal(size: Self.base256(.max, first: 0xFF)) == .archiveCorrupt)
        #expect(try Self.refusal(size: Array("-0000000001\0".utf8)) == .archiveCorrupt)
    }

    @Test func sizeThatNoIntegerHolds() throws {
        #expect(try Self.refusal(size: [0x80] + [UInt8](repeating: 0xFF, count: 11)) == .archiveCorrupt)
        #expect(try Self.refusal(size: Self.base256(.max)) == .archiveCorrupt)
        #expect(try Self.refusal(size: Self.base256(1 << 63)) == .archiveCorrupt)
        #expect(try Self.refusal(size: [0x81] + [UInt8](repeating: 0, count: 11)) == .archiveCorrupt)
    }

    @Test func largestSizes() throws {
        #expect(try Self.refusal(size: Self.base256(0x7FFF_FFFF_FFFF_0000)) == .archiveFileTooLarge)
        #expect(try Self.refusal(size: Array("777777777777".utf8)) == .archiveFileTooLarge)
    }

    @Test func sizeThatIsNoNumber() throws {
        for text in ["0000000x000\0", "9\0", "0x10\0", "1.5\0", "\u{7F}\0"] {
            #expect(try Self.refusal(size: Array(text.utf8)) == .archiveCorrupt)
        }
    }

    @Test func sizeOfAMetadataHeader() throws {
        for flag in ["x", "g", "L", "K"] as [Character] {
            #expect(try Self.refusal(size: Self.base256(0x7FFF_FFFF_FFFF_0000), flag: flag) == .archiveMetadataTooLarge)
            #expect(try Self.refusal(size: Self.base256(1 << 63), flag: flag) == .archiveCorrupt)
        }
    }

    @Test func modeThatIsNoNumber() throws {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("include/a.h")
        header.mode = Array("rwxr-xr-".utf8)
        forge.add(header)
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveCorrupt)
    }

    /// Other writers' ways of filling a field.
    @Test(arguments: ["1\0", "      1 \0", "00000000001 ", "1 garbage", "\0\0 1"])
    func numbersInOtherFormsAreNoAttack(_ text: String) throws {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("include/a.h")
        header.size = Array(text.utf8)
        forge.add(header, [0x61])
        #expect(try ArchiveReading.manifest(of: forge.finished()).contentBytes == 13)
    }

    @Test func base256IsTheSameNumber() throws {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("include/a.h")
        header.size = Self.base256(3)
        forge.add(header, Array("abc".utf8))
        #expect(try ArchiveReading.manifest(of: forge.finished()).contentBytes == 15)
    }

    @Test(arguments: [
        "0 path=a\n", "-1 path=a\n", "-9223372036854775808 path=a\n", "99999999999999999999999 path=a\n",
        "9223372036854775807 path=a\n", "8 path=a\n", "+9 path=a\n", " path=a\n", "path=a\n", "9 path=a",
        "9 path:a\n", "9path=a\n", "5 a\n\n", "1", "2 ", "3 \n", "9 path=a\n7", "\0", "9 path=a\n\0\0", "９ path=a\n",
    ])
    func paxRecordOfWrongForm(_ record: String) throws {
        for isGlobal in [true, false] {
            var forge = TarForge.withHeader()
            forge.addPax(raw: Array(record.utf8), global: isGlobal)
            forge.addFile("include/a.h", "1")
            #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveCorrupt)
        }
    }

    @Test(arguments: ["-1", "+1", "", "1x", "0x1", "9223372036854775808", "1.0", " 1"])
    func paxSizeThatIsNoNumber(_ size: String) throws {
        var forge = TarForge.withHeader()
        forge.addPax([("size", size)])
        forge.addFile("include/a.h", "1")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveCorrupt)
    }

    @Test func paxSizeOverTheLimit() throws {
        for size in ["9223372036854775807", "16777217"] {
            var forge = TarForge.withHeader()
            forge.addPax([("size", size)])
            forge.addFile("include/a.h", "1")
            #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveFileTooLarge)
        }
    }

    @Test func hugePaxHeader() throws {
        let limit = ArchiveLimits.standard.metadataBytes
        for (size, code) in [(limit, nil), (limit + 1, ProblemCode.archiveMetadataTooLarge)] {
            let overhead =
                TarForge.paxRecord("comment", [UInt8](repeating: 0x61, count: limit - 100)).count - limit + 100
            var forge = TarForge.withHeader()
            forge.addPax(raw: TarForge.paxRecord("comment", [UInt8](repeating: 0x61, count: size - overhead)))
            forge.addFile("include/a.h", "1")
            #expect(try ArchiveReading.refusal(of: forge.finished()) == code)
        }
    }

    @Test func hugeGNULongName() throws {
        for flag in ["L", "K"] as [Character] {
            var forge = TarForge.withHeader()
            forge.addGNULong([UInt8](repeating: 0x61, count: ArchiveLimits.standard.metadataBytes), flag: flag)
            forge.addFile("include/a.h", "1")
            #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveMetadataTooLarge)
        }
    }

    @Test func metadataWithoutAnEntry() throws {
        var forge = TarForge.withHeader()
        forge.addPax([("path", "include/a.h")])
        #expect(try ArchiveReading.manifest(of: forge.finished()).fileCount == 1)
    }

    @Test func laterRecordsWin() throws {
        var forge = TarForge.withHeader()
        forge.addPax([("path", "include/global.h")], global: true)
        forge.addPax([("path", "include/one.h"), ("path", "include/two.h")])
        forge.addPax([("path", "include/three.h")])
        forge.addGNULong(Array("include/four.h".utf8))
        forge.addFile("include/five.h", "1")
        forge.addFile("include/six.h", "1")
        let paths = try ArchiveReading.manifest(of: forge.finished()).entries.map(\.path.string)
        #expect(paths == ["include/global.h", "include/linux/kconfig.h", "include/three.h"])
    }
}
