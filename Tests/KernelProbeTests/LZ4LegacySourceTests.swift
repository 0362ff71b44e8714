internal import HeaderArchive
internal import KHeaderTestSupport
@testable internal import KernelProbe
internal import Testing

@Suite struct LZ4LegacySourceTests {
    private static func unpack(_ bytes: [UInt8]) throws -> [UInt8] {
        try LZ4LegacySource(MemorySource(bytes)).readAll()
    }

    private static func pack(_ bytes: [UInt8], _ level: String = "-1") throws -> [UInt8] {
        try ShellCommand("lz4", "-l", level, "-c").output(bytes)
    }

    private static func noise(_ count: Int, _ mask: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: 5)
        var bytes: [UInt8] = []
        while bytes.count < count { bytes.appendInteger(generator.next() & mask) }
        return Array(bytes.prefix(count))
    }

    /// Nothing; runs, whose copies overlap; text; noise, which does not compress; a length of exactly one block.
    private static let samples: [[UInt8]] = [
        [], [7], [UInt8](repeating: 0, count: 100_000), Array(String(repeating: "kernel headers ", count: 5000).utf8),
        noise(300_000, .max), noise((8 << 20) + 12345, 0x0101_0101_0101_0101), [UInt8](repeating: 9, count: 8 << 20),
    ]

    @Test(arguments: samples.indices, ["-1", "-9"]) func unpacksWhatLZ4Writes(index: Int, level: String) throws {
        let sample = Self.samples[index]
        // Not compared within #expect, which would work out the difference between megabytes.
        let isTheSample = try Self.unpack(Self.pack(sample, level)) == sample
        #expect(isTheSample)
    }

    @Test func framesMayFollowEachOther() throws {
        let frame = try Self.pack(Array("hello hello hello hello".utf8))
        #expect(try Self.unpack(frame + frame) == Array("hello hello hello hellohello hello hello hello".utf8))
    }

    @Test func readsInPiecesOfAnySize() throws {
        let sample = Self.samples[3]
        let reader = try LZ4LegacySource(MemorySource(Self.pack(sample)))
        var bytes: [UInt8] = []
        try reader.drain(chunk: 7) { bytes.append(contentsOf: $0) }
        let isTheSample = bytes == sample
        #expect(isTheSample)
    }

    @Test func theWrongMagicIsRefused() {
        #expect(refusal { _ = try Self.unpack([0x04, 0x22, 0x4D, 0x18, 0, 0]) } == .payloadDamaged)
        #expect(refusal { _ = try Self.unpack([]) } == .payloadDamaged)
    }

    private static func frame(_ block: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendInteger(UInt32(0x184C_2102))
        bytes.appendInteger(UInt32(block.count))
        return bytes + block
    }

    /// By the block format: token, literals, distance, length.
    @Test(
        arguments: [
            ("a copy from before the start", [0x10, 0x41, 2, 0, 0x00]), ("a distance of 0", [0x10, 0x41, 0, 0, 0x00]),
            ("literals behind the end", [0x50, 0x41]), ("a distance cut off", [0x10, 0x41, 1]),
            ("a length that does not end", [0xF0, 255, 255]), ("a copy as the last sequence", [0x10, 0x41, 1, 0]),
        ] as [(String, [UInt8])])
    func aBlockIsRefusedThatHas(flaw: String, block: [UInt8]) {
        #expect(refusal { _ = try Self.unpack(Self.frame(block)) } == .payloadDamaged, "\(flaw)")
    }

    @Test func aBlockMayNotHoldMoreThan8MiB() throws {
        // One literal, then a copy that repeats it.
        func block(_ count: Int) -> [UInt8] {
            let rest = count - 1 - 4 - 15
            return [0x1F, 0x41, 1, 0] + [UInt8](repeating: 255, count: rest / 255) + [UInt8(rest % 255), 0x00]
        }
        #expect(try Self.unpack(Self.frame(block(8 << 20))).count == 8 << 20)
        #expect(refusal { _ = try Self.unpack(Self.frame(block((8 << 20) + 1))) } == .payloadDamaged)
    }

    @Test func aBlockLengthOverTheBoundIsRefused() {
        var bytes = Self.frame([0x10, 0x41])
        for length in [0, UInt32((8 << 20) + (8 << 20) / 255 + 17), .max] {
            bytes.put(length, at: 4)
            #expect(refusal { _ = try Self.unpack(bytes) } == .payloadDamaged)
        }
    }

    @Test func everyTruncationIsRefusedOrShorter() throws {
        let sample = Array(String(repeating: "abcdefgh", count: 20).utf8)
        let file = try Self.pack(sample)
        for length in 0..<file.count {
            // There is no end mark: a frame without blocks is a whole one.
            let isRefused = refusal { _ = try Self.unpack(Array(file.prefix(length))) } == .payloadDamaged
            #expect(isRefused || length == 4, "\(length) bytes")
        }
    }

    @Test func mutatedFramesDoNotTrap() throws {
        var generator = SeededGenerator(seed: 6)
        let file = try Self.pack(Array(Self.samples[3].prefix(2000)))
        for _ in 0..<3_000 { _ = try? Self.unpack(file.mutated(&generator)) }
    }
}
