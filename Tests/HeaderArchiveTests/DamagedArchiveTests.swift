import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Archives that are not whole, or not archives.
@Suite struct DamagedArchiveTests {
    static let kernel = SmallKernel(hasLargeFile: false)

    @Test func truncatedAtEvery512Bytes() throws {
        let tar = Self.kernel.tar
        #expect(tar.count % 512 == 0)
        #expect(try ArchiveReading.refusal(of: tar) == nil)
        for end in stride(from: 512, to: tar.count, by: 512) {
            #expect(try ArchiveReading.refusal(of: Array(tar[..<end])) == .archiveTruncated, "\(end) of \(tar.count)")
        }
    }

    @Test func truncatedInsideABlock() throws {
        let tar = Self.kernel.tar
        for end in stride(from: 300, to: tar.count, by: 1021) {
            #expect(try ArchiveReading.refusal(of: Array(tar[..<end])) == .archiveTruncated, "\(end) of \(tar.count)")
        }
    }

    @Test(arguments: CompressionTool.allCases)
    func truncatedCompressedDataAtEveryFewBytes(_ tool: CompressionTool) throws {
        let archive = try Self.kernel.archive(tool)
        let step = max(archive.count / 150, 1)
        let ends = Array(stride(from: 6, to: archive.count, by: step)) + (archive.count - 12..<archive.count)
        for end in ends {
            let code = try ArchiveReading.refusal(of: Array(archive[..<end]))
            #expect(code == .archiveTruncated, "\(end) of \(archive.count)")
        }
    }

    /// Whole compressed data of half a tar.
    @Test(arguments: CompressionTool.allCases)
    func truncatedBeforeItWasCompressed(_ tool: CompressionTool) throws {
        let tar = Self.kernel.tar
        let archive = try tool.compress(Array(tar[..<(tar.count / 1024 * 512)]))
        #expect(try ArchiveReading.refusal(of: archive) == .archiveTruncated)
    }

    /// A flipped bit may mean an equal string at another distance, which is no damage. What it never is, is another tree.
    @Test(arguments: CompressionTool.allCases)
    func flippedBitsInCompressedData(_ tool: CompressionTool) throws {
        let archive = try Self.kernel.archive(tool)
        let whole = try Self.kernel.manifest
        let indices = Array(stride(from: 0, to: archive.count, by: max(archive.count / 200, 1)))
        var refusals = 0
        for index in indices {
            var damaged = archive
            damaged[index] ^= 1 << UInt8(index % 8)
            do {
                #expect(try ArchiveReading.manifest(of: damaged) == whole, "bit \(index % 8) of byte \(index)")
            } catch is Problem {
                refusals += 1
            }
        }
        #expect(refusals > indices.count * 9 / 10)
    }

    @Test(arguments: CompressionTool.allCases)
    func wrongChecksumOfCompressedData(_ tool: CompressionTool) throws {
        var archive = try Self.kernel.archive(tool)
        // gzip ends with CRC and length, zstd with its checksum, xz with the CRC of its footer before 8 other bytes.
        archive[archive.count - (tool == .xz ? 12 : tool == .gzip ? 8 : 4)] ^= 1
        #expect(try ArchiveReading.refusal(of: archive) == .archiveCorrupt)
    }

    @Test func wrongHeaderChecksum() throws {
        var tar = Self.kernel.tar
        tar[512 + 3] ^= 1
        #expect(try ArchiveReading.refusal(of: tar) == .archiveChecksum)
    }

    @Test(arguments: ["99999\u{0} ", "abcdef\u{0} ", "", "        ", "777777\u{0} "])
    func checksumThatIsNone(_ text: String) throws {
        var forge = TarForge.withHeader()
        var header = TarForge.Header("include/a.h")
        header.checksum = Array(text.utf8)
        forge.add(header)
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveChecksum)
    }

    @Test func singleZeroBlock() throws {
        var forge = TarForge.withHeader()
        forge.append([UInt8](repeating: 0, count: 512))
        forge.addFile("include/a.h", "1")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveCorrupt)
    }

    @Test func dataAfterTheEnd() throws {
        let tar = Self.kernel.tar
        #expect(try ArchiveReading.refusal(of: tar + [1]) == .archiveTrailingData)
        #expect(try ArchiveReading.refusal(of: tar + tar) == .archiveTrailingData)
        let late = tar + [UInt8](repeating: 0, count: 100_000) + [1]
        #expect(try ArchiveReading.refusal(of: late) == .archiveTrailingData)
        #expect(try ArchiveReading.refusal(of: CompressionTool.zstd.compress(late)) == .archiveTrailingData)
    }

    @Test func zerosAfterTheEndAreNoAttack() throws {
        let padded = Self.kernel.tar + [UInt8](repeating: 0, count: 9_999)
        #expect(try ArchiveReading.refusal(of: padded) == nil)
    }

    @Test(arguments: CompressionTool.allCases)
    func dataAfterCompressedData(_ tool: CompressionTool) throws {
        let archive = try Self.kernel.archive(tool)
        #expect(
            try ArchiveReading.refusal(of: archive + Array("garbage, and more than a header's worth of it".utf8))
                == .archiveCorrupt)
    }

    @Test func notAnArchive() throws {
        let texts = ["<!DOCTYPE html><title>Sign in</title>", "x", "7z\u{BC}\u{AF}", "PK\u{3}\u{4}", "BZh91AY&SY"]
        for text in texts + [String(repeating: "plain text\n", count: 1000)] {
            #expect(try ArchiveReading.refusal(of: Array(text.utf8)) == .archiveFormatUnknown)
        }
        #expect(try ArchiveReading.refusal(of: [UInt8](repeating: 0, count: 10_240)) == .archiveFormatUnknown)
    }

    @Test(arguments: CompressionTool.allCases)
    func compressedButNotATar(_ tool: CompressionTool) throws {
        let text = String(repeating: "This is a text, and no tar at all.\n", count: 100)
        #expect(try ArchiveReading.refusal(of: tool.compress(Array(text.utf8))) == .archiveChecksum)
        #expect(try ArchiveReading.refusal(of: tool.compress([])) == .archiveTruncated)
    }

    @Test func empty() throws { #expect(try ArchiveReading.refusal(of: []) == .archiveEmpty) }

    @Test func noHeaders() throws {
        var forge = TarForge()
        forge.addFolder("./include/linux/")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveHasNoHeaders)
        forge.addFile("usr/include/stdio.h", "1")
        forge.addFile("include/linux/Makefile", "1")
        forge.addFile("arch/x86/boot/boot.h", "1")
        forge.addLink("include/link.h", to: "linux/Makefile")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveHasNoHeaders)
        forge.addFile("arch/x86/include/asm/page.h", "1")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == nil)
    }
}
