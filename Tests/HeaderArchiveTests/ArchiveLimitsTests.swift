import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Every limit, and what is just within it.
@Suite struct ArchiveLimitsTests {
    static let kernel = SmallKernel(hasLargeFile: false)

    static func limits(_ change: (inout ArchiveLimits) -> Void) -> ArchiveLimits {
        var limits = ArchiveLimits.standard
        change(&limits)
        return limits
    }

    static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// The header of a file of zeros, and members of 16 MB that are its contents: decompressors can't tell it from one.
    static func zerosInXZ(_ megabytes: Int, headerSize: Int? = nil) throws -> [UInt8] {
        var header = TarForge.Header("include/zeros.h")
        header.size = TarForge.octal(headerSize ?? megabytes << 20, digits: 11)
        let first = try CompressionTool.xz.compress(TarForge.withHeader().bytes + header.block)
        let member = try CompressionTool.xz.compress(zeros(16 << 20), ["-0"])
        return first + (0..<megabytes / 16).flatMap { _ in member }
    }

    @Test func namesTogether() throws {
        let bytes = Self.kernel.tar
        let wide = Self.limits { $0.nameBytes = 1 << 16 }
        #expect(try ArchiveReading.refusal(of: bytes, limits: wide) == nil)
        let tight = Self.limits { $0.nameBytes = 1 << 10 }
        #expect(try ArchiveReading.refusal(of: bytes, limits: tight) == .archiveMetadataTooLarge)
    }

    /// Frames without contents keep a decompressor busy, and nothing comes out in which a clock is looked at.
    @Test func emptyFramesRunIntoTheTimeLimit() throws {
        let empty = try CompressionTool.zstd.compress([])
        let archive = try CompressionTool.zstd.compress(Self.kernel.tar) + (0..<20_000).flatMap { _ in empty }
        var time = ContinuousClock.now
        let tight = Self.limits { $0.seconds = 3 }
        let problem = #expect(throws: Problem.self) {
            try HeaderTreeReader.read(MemorySource(archive), limits: tight, visitor: ManifestOnly()) {
                time += .seconds(1)
                return time
            }
        }
        #expect(problem?.code == .archiveTimeLimit)
    }

    /// A gigabyte of zeros as one file: its header is enough.
    @Test func gigabyteOfZerosInASmallXZ() throws {
        let archive = try Self.zerosInXZ(1024)
        #expect(archive.count < 1 << 18)
        let source = DribblingSource(archive, piece: 512)
        #expect(try ArchiveReading.refusal(of: source) == .archiveFileTooLarge)
        #expect(source.count < 8192, "refused before the zeros are unpacked")
    }

    /// The same behind the tar's end, where nothing says how much is to come.
    @Test func gigabyteOfZerosBehindTheEnd() throws {
        let archive = try Self.zerosInXZ(1024, headerSize: 0)
        let source = DribblingSource(archive, piece: 512)
        #expect(try ArchiveReading.refusal(of: source) == .archiveRatio)
        #expect(source.count < archive.count / 10)
    }

    @Test(arguments: CompressionTool.allCases)
    func filesOfZeros(_ tool: CompressionTool) throws {
        var forge = TarForge.withHeader()
        for number in 0..<5 { forge.addFile("include/\(number).h", Self.zeros(16 << 20)) }
        let archive = try tool.compress(forge.finished())
        #expect(archive.count < 400_000)
        #expect(try ArchiveReading.refusal(of: archive) == .archiveRatio)
    }

    @Test func ratio() throws {
        let tar = Self.kernel.tar + Self.zeros(1 << 20)
        let archive = try CompressionTool.xz.compress(tar)
        let ratio = tar.count / archive.count
        let tight = Self.limits { ($0.ratio, $0.ratioFloor) = (ratio - 1, 1000) }
        #expect(try ArchiveReading.refusal(of: archive, limits: tight) == .archiveRatio)
        let wide = Self.limits { ($0.ratio, $0.ratioFloor) = (ratio + 1, 1000) }
        #expect(try ArchiveReading.refusal(of: archive, limits: wide) == nil)
        let below = Self.limits { ($0.ratio, $0.ratioFloor) = (1, tar.count) }
        #expect(try ArchiveReading.refusal(of: archive, limits: below) == nil, "a small archive is no attack")
        let absurd = Self.limits { ($0.ratio, $0.ratioFloor) = (0, 1000) }
        #expect(try ArchiveReading.refusal(of: archive, limits: absurd) == .archiveRatio)
    }

    @Test func unpackedBytes() throws {
        let tar = Self.kernel.tar
        for archive in try [tar, Self.kernel.archive(.zstd)] {
            let tight = Self.limits { $0.unpackedBytes = tar.count - 1 }
            #expect(try ArchiveReading.refusal(of: archive, limits: tight) == .archiveTooLarge)
            let wide = Self.limits { $0.unpackedBytes = tar.count }
            #expect(try ArchiveReading.refusal(of: archive, limits: wide) == nil)
        }
    }

    @Test func archiveBytes() throws {
        let archive = try Self.kernel.archive(.gzip)
        let tight = Self.limits { $0.archiveBytes = archive.count - 1 }
        #expect(try ArchiveReading.refusal(of: archive, limits: tight) == .uploadTooLarge)
        let wide = Self.limits { $0.archiveBytes = archive.count }
        #expect(try ArchiveReading.refusal(of: archive, limits: wide) == nil)
    }

    @Test func fileTooLarge() throws {
        let limit = ArchiveLimits.standard.fileBytes
        for (size, code) in [(limit, nil), (limit + 1, ProblemCode.archiveFileTooLarge)] {
            var forge = TarForge.withHeader()
            forge.addFile("include/a.h", Self.zeros(size))
            #expect(try ArchiveReading.refusal(of: forge.finished()) == code)
        }
    }

    @Test func moreEntriesThanTheLimit() throws {
        var forge = TarForge()
        forge.addNumberedFiles(ArchiveLimits.standard.entries)
        #expect(ArchiveLimits.standard.entries == 100_000)
        #expect(try ArchiveReading.manifest(of: forge.finished()).entries.count == 100_000)
        forge.addFile("include/last.h")
        #expect(try ArchiveReading.refusal(of: forge.finished()) == .archiveTooManyEntries)
    }

    @Test func entriesOfEveryKindCount() throws {
        let limits = Self.limits { $0.entries = 3 }
        var forge = TarForge.withHeader()
        forge.addFolder("./")
        forge.addFolder("./include/")
        #expect(try ArchiveReading.refusal(of: forge.finished(), limits: limits) == nil)
        var one = forge
        one.addLink("include/link.h", to: "linux/kconfig.h")
        #expect(try ArchiveReading.refusal(of: one.finished(), limits: limits) == .archiveTooManyEntries)
        forge.addFolder("./include/")
        #expect(try ArchiveReading.refusal(of: forge.finished(), limits: limits) == .archiveTooManyEntries)
    }

    /// Few entries, each in 31 folders of its own: folders cost memory too.
    @Test func moreFoldersThanTheLimit() throws {
        let limits = Self.limits { $0.entries = 100 }
        var forge = TarForge.withHeader()
        for number in 0..<3 { forge.addFile("\(number)/" + Array(repeating: "d", count: 31).joined(separator: "/")) }
        #expect(try ArchiveReading.refusal(of: forge.finished(), limits: limits) == nil)
        forge.addFile("3/" + Array(repeating: "d", count: 31).joined(separator: "/"))
        #expect(try ArchiveReading.refusal(of: forge.finished(), limits: limits) == .archiveTooManyEntries)
    }

    @Test func zstdWindowTooLarge() throws {
        let tar = SmallKernel().tar
        // From standard input zstd does not know the size, and declares the window that it was told.
        let large = try CompressionTool.zstd.compress(tar, ["-1", "--long=28"])
        #expect(try ArchiveReading.refusal(of: large) == .archiveWindowTooLarge)
        #expect(try ArchiveReading.refusal(of: CompressionTool.zstd.compress(tar, ["-1", "--long=27"])) == nil)
    }

    @Test func xzDictionaryTooLarge() throws {
        let tar = Self.kernel.tar
        let large = try CompressionTool.xz.compress(tar, ["--lzma2=preset=0,dict=512MiB"])
        #expect(try ArchiveReading.refusal(of: large) == .archiveWindowTooLarge)
        #expect(
            try ArchiveReading.refusal(of: CompressionTool.xz.compress(tar, ["--lzma2=preset=0,dict=64MiB"])) == nil)
    }

    @Test func timeLimit() throws {
        let limits = Self.limits { $0.seconds = 3 }
        for (step, code) in [(Duration.milliseconds(1), nil), (.seconds(1), ProblemCode.archiveTimeLimit)] {
            // A clock that goes on by a step whenever somebody looks.
            var now = ContinuousClock.now
            var code = code
            do {
                _ = try HeaderTreeReader.read(
                    MemorySource(Self.kernel.tar), limits: limits, visitor: ManifestOnly(),
                    now: {
                        now += step
                        return now
                    })
            } catch let problem as Problem {
                #expect(problem.code == code)
                code = nil
            }
            #expect(code == nil)
        }
    }
}
