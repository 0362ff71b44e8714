import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

@Suite struct ZstdFrameTests {
    private let text = SmallKernel(hasLargeFile: false).tar

    @Test(arguments: [0, 1, 1000, 100_000], [3, 19])
    func aFrameHoldsWhatWasCompressed(length: Int, level: Int) throws {
        let bytes = Array(text.prefix(length))
        let frame = try ZstdFrame.compress(bytes, level: level)
        #expect(try ZstdFrame.decompress(frame, rawLength: bytes.count) == bytes)
    }

    @Test func zstdItselfReadsAFrame() throws {
        let frame = try ZstdFrame.compress(text, level: 7)
        #expect(try CompressionTool.zstd.decompress(frame) == text)
    }

    @Test func aPrefixMakesAFrameOfNearlyTheSameSmall() throws {
        var changed = text
        changed.replaceSubrange(40_000..<40_010, with: Array("0123456789".utf8))
        let alone = try ZstdFrame.compress(changed, level: 19)
        let frame = try ZstdFrame.compress(changed, prefix: text, level: 19)
        #expect(frame.count < alone.count / 20)
        #expect(try ZstdFrame.decompress(frame, rawLength: changed.count, prefix: text) == changed)
        // What `zstd --patch-from` reads as well, so that a pack can be opened without this program.
        try withTemporaryFolder { folder in
            let patch = "--patch-from=\(try folder.write(text, to: "prefix"))"
            #expect(try ShellCommand("zstd", "-q", "-d", "-c", patch).output(frame) == changed)
        }
    }

    @Test func aPrefixOfSeveralMegabytesIsReachedToItsFront() throws {
        var random = SeededGenerator(seed: 2)
        let start = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let frame = try ZstdFrame.compress(start, prefix: start + [UInt8](repeating: 7, count: 5 << 20), level: 7)
        #expect(frame.count < 1000)
        let prefix = start + [UInt8](repeating: 7, count: 5 << 20)
        #expect(try ZstdFrame.decompress(frame, rawLength: start.count, prefix: prefix) == start)
    }

    @Test func anotherPrefixIsDamage() throws {
        let frame = try ZstdFrame.compress(Array(text.dropFirst(1)), prefix: text, level: 7)
        let length = text.count - 1
        expectDamage { _ = try ZstdFrame.decompress(frame, rawLength: length) }
        expectDamage { _ = try ZstdFrame.decompress(frame, rawLength: length, prefix: text.reversed()) }
    }

    @Test(arguments: [-1, 0, 999, 1001, 1 << 40, .max])
    func anotherLengthIsDamage(length: Int) throws {
        let frame = try ZstdFrame.compress(Array(text.prefix(1000)), level: 3)
        expectDamage { _ = try ZstdFrame.decompress(frame, rawLength: length) }
    }

    @Test func everyFlippedBitIsFound() throws {
        let bytes = Array(text.prefix(2000))
        let frame = try ZstdFrame.compress(bytes, level: 3)
        var survivors = 0
        for bit in 0..<frame.count * 8 {
            var damaged = frame
            damaged[bit / 8] ^= 1 << (bit % 8)
            // A flip may make a frame that says the same.
            if let read = try? ZstdFrame.decompress(damaged, rawLength: bytes.count), read != bytes { survivors += 1 }
        }
        #expect(survivors == 0)
    }

    @Test func everyTruncationIsFound() throws {
        let frame = try ZstdFrame.compress(Array(text.prefix(500)), level: 3)
        for length in 0..<frame.count {
            expectDamage { _ = try ZstdFrame.decompress(Array(frame.prefix(length)), rawLength: 500) }
        }
    }
}
