import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

@Suite struct PackedIntegerTests {
    @Test(
        arguments: [
            (0, [0]), (1, [1]), (127, [0x7F]), (128, [0x80, 0x01]), (300, [0xAC, 0x02]), (16_384, [0x80, 0x80, 0x01]),
            (Int.max, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        ] as [(Int, [UInt8])])
    func anIntegerIsLEB128(value: Int, bytes: [UInt8]) throws {
        var writer = PackedWriter()
        writer.put(value)
        #expect(writer.bytes == bytes)
        var reader = PackedReader(bytes)
        #expect(try reader.integer() == value)
        #expect(reader.isAtEnd)
    }

    @Test(
        arguments: [
            (0, [0]), (-1, [1]), (1, [2]), (-2, [3]), (63, [0x7E]), (-64, [0x7F]), (64, [0x80, 0x01]),
        ] as [(Int, [UInt8])])
    func aSmallNegativeIntegerIsShort(value: Int, bytes: [UInt8]) throws {
        var writer = PackedWriter()
        writer.putSigned(value)
        #expect(writer.bytes == bytes)
        var reader = PackedReader(bytes)
        #expect(try reader.signedInteger() == value)
    }

    @Test func whatWasWrittenIsRead() throws {
        var random = SeededGenerator(seed: 1)
        let values = (0..<500).map { _ in
            Int.random(in: 0...Int.max, using: &random) >> Int.random(in: 0...62, using: &random)
        }
        let digest = Digest(of: [1, 2, 3])
        var writer = PackedWriter()
        for value in values {
            writer.put(value)
            writer.putSigned(value / 2)
            writer.putSigned(-(value / 2))
        }
        writer.put(bytes: digest.bytes)
        writer.put(Array("text".utf8))
        var reader = PackedReader(writer.bytes)
        for value in values {
            #expect(try reader.integer() == value)
            #expect(try reader.signedInteger() == value / 2)
            #expect(try reader.signedInteger() == -(value / 2))
        }
        #expect(try reader.digest() == digest)
        #expect(try Array(reader.text()) == Array("text".utf8))
        #expect(reader.isAtEnd)
    }

    @Test(arguments: [
        [], [0x80], [0xFF, 0xFF], [UInt8](repeating: 0xFF, count: 9), [UInt8](repeating: 0x80, count: 9) + [0],
    ])
    func anIntegerWithoutEndIsDamage(bytes: [UInt8]) {
        expectDamage {
            var reader = PackedReader(bytes); _ = try reader.integer()
        }
    }

    @Test func moreThanThereIsIsDamage() {
        // A count or a length never goes beyond the bytes that are left, whatever it says.
        let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
        expectDamage {
            var reader = PackedReader(huge); _ = try reader.count()
        }
        expectDamage {
            var reader = PackedReader(huge); _ = try reader.text()
        }
        expectDamage {
            var reader = PackedReader([2, 0]); _ = try reader.text()
        }
        expectDamage {
            var reader = PackedReader([0]); _ = try reader.bytes(.max)
        }
        expectDamage {
            var reader = PackedReader([UInt8](repeating: 0, count: 31)); _ = try reader.digest()
        }
        expectDamage {
            var reader = PackedReader([2]); _ = try reader.flag()
        }
    }
}

/// Checks that the body finds the store to be damaged.
func expectDamage(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
    let problem = #expect(throws: Problem.self, sourceLocation: sourceLocation, performing: body)
    #expect(problem?.code == .storeDamaged, sourceLocation: sourceLocation)
}
