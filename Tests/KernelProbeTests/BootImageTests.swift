internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

@Suite struct BootImageTests {
    /// With the filters and dictionaries of the kernel's `scripts/Makefile.lib` and `xz_wrap.sh`, at levels that are fast.
    private static let compressors = [
        ["gzip", "-n", "-1"], ["xz", "--check=crc32", "--x86", "--lzma2=preset=0,dict=128MiB"],
        ["zstd", "-q", "-1", "--long=27"], ["lz4", "-l", "-9", "-c"],
        ["xz", "--format=lzma", "--lzma1=preset=0,dict=64MiB"],
    ]

    /// Large enough for several reads, and for the second block of lz4.
    private static let kernel: [UInt8] = {
        var generator = SeededGenerator(seed: 3)
        var noise: [UInt8] = []
        while noise.count < 1 << 16 { noise.appendInteger(generator.next()) }
        var data = SyntheticELF().readOnly
        while data.count < 9 << 20 { data += noise }
        return SyntheticELF(readOnly: data).bytes
    }()

    @Test(arguments: compressors) func unpacksWhatRealToolsCompress(command: [String]) throws {
        let image = try SyntheticBootImage.around(Self.kernel, command)
        // Not compared within #expect, which would work out the difference between megabytes.
        let isTheKernel = try BootImage(image.bytes).unpack(limit: 1 << 30) == Self.kernel
        #expect(isTheKernel)
        #expect(try BootImage(image.bytes).banner?.release == "6.1.0-test")
        let identity = try KernelImage(image.bytes).identity
        #expect(identity.buildID.bytes == NoteRun.buildID)
        #expect(identity.versionLine == "6.1.0-test (a@b) (gcc) #1 SMP")
        #expect(identity.architecture == Architecture(machine: "x86_64"))
        #expect(identity.hasBTF == true)
    }

    @Test(arguments: compressors) func everyTruncationIsRefused(command: [String]) throws {
        let file = try SyntheticBootImage.around(SyntheticELF().bytes, command).bytes
        for length in 0..<file.count {
            #expect(refusal { _ = try KernelImage(Array(file.prefix(length))) } != nil, "\(length) bytes")
        }
    }

    /// The header's length shortened with the file, so that the compressed data itself ends early.
    @Test(arguments: compressors) func everyTruncationOfThePayloadIsRefused(command: [String]) throws {
        var image = try SyntheticBootImage.around(SyntheticELF().bytes, command)
        let payload = image.payload
        for length in 0..<payload.count - 4 {
            image.payload = payload.prefix(length) + payload.suffix(4)
            #expect(refusal { _ = try KernelImage(image.bytes) } != nil, "\(length) bytes")
        }
    }

    @Test(arguments: compressors) func mutatedImagesDoNotTrap(command: [String]) throws {
        var generator = SeededGenerator(seed: 4)
        let image = try SyntheticBootImage.around(SyntheticELF().bytes, command)
        let file = image.bytes
        let payload = file.count - image.payload.count..<file.count
        for _ in 0..<300 {
            // The size at the end is left alone: most changes of it ask for gigabytes, and are refused for it.
            _ = try? KernelImage(file.mutated(in: 0x1F1..<0x250, &generator), limit: 16 << 20)
            _ = try? KernelImage(file.mutated(in: payload.dropLast(4), &generator), limit: 16 << 20)
        }
    }

    @Test(arguments: compressors) func moreThanTheLimitIsRefused(command: [String]) throws {
        let kernel = SyntheticELF().bytes
        let file = try SyntheticBootImage.around(kernel, command).bytes
        #expect(try BootImage(file).unpack(limit: kernel.count).count == kernel.count)
        #expect(refusal { _ = try KernelImage(file, limit: kernel.count - 1) } == .tooLarge)
    }

    /// A small lie about the size must not open the way to a bomb, nor pass as a kernel.
    @Test(arguments: compressors, [-1, 1]) func anotherSizeThanItSaysIsRefused(command: [String], difference: Int)
        throws
    {
        let kernel = SyntheticELF().bytes
        var file = try SyntheticBootImage.around(kernel, command).bytes
        file.put(UInt32(kernel.count + difference), at: file.count - 4)
        #expect(refusal { _ = try KernelImage(file) } == .payloadDamaged)
    }

    @Test(
        arguments: [
            (Array("BZh9".utf8), "bzip2"), ([0x89, 0x4C, 0x5A, 0x4F], "lzo"),
            ([0x7F, 0x45, 0x4C, 0x46], "uncompressed"),
            ([0xAB, 0xCD, 0, 0], "unknown"),
        ] as [([UInt8], String)])
    func otherPayloadsAreNamed(start: [UInt8], name: String) throws {
        let file = SyntheticBootImage(payload: start + [UInt8](repeating: 0, count: 100)).bytes
        let error = try #require(throws: ProbeError.self) { try KernelImage(file) }
        #expect(error.reason == .payloadUnsupported)
        #expect(error.description.contains(name))
        #expect(error.description.contains("6.1.0-test"))
    }

    @Test func aProtocolBefore208IsRefused() {
        let file = SyntheticBootImage(payload: [UInt8](repeating: 0, count: 100), version: 0x207).bytes
        #expect(refusal { _ = try KernelImage(file) } == .payloadUnsupported)
    }

    @Test func noSetupSectorsMeanFour() throws {
        var image = try SyntheticBootImage.around(SyntheticELF().bytes, ["gzip", "-n"])
        image.sectors = 0
        #expect(try KernelImage(image.bytes).identity.buildID.bytes == NoteRun.buildID)
    }

    @Test func aPayloadOfNoBytesIsRefused() {
        #expect(refusal { _ = try KernelImage(SyntheticBootImage(payload: []).bytes) } == .bootHeaderMalformed)
    }

    /// Secure Boot's signature is appended; it is behind the payload.
    @Test func whatFollowsThePayloadIsIgnored() throws {
        let file = try SyntheticBootImage.around(SyntheticELF().bytes, ["zstd", "-q"]).bytes
        #expect(try KernelImage(file + [UInt8](repeating: 0x30, count: 2000)).identity.buildID.bytes == NoteRun.buildID)
    }

    @Test func aLabelOutsideTheSetupCodeIsNoLabel() throws {
        var image = try SyntheticBootImage.around(SyntheticELF().bytes, ["gzip", "-n"])
        image.label = "none"
        var file = image.bytes
        #expect(try BootImage(file).banner == nil)
        file.put(UInt16.max, at: 0x20E)
        #expect(try BootImage(file).banner == nil)
        file.put(UInt16(0), at: 0x20E)
        #expect(try BootImage(file).banner == nil)
    }

    @Test func otherImageFormatsAreNamed() throws {
        func image(_ text: [UInt8], at offset: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 1024)
            bytes.replaceSubrange(offset..<(offset + text.count), with: text)
            return bytes
        }
        let arm64 = image(Array("ARMd".utf8), at: 56)
        var zboot = image(Array("MZ\0\0zimg".utf8), at: 0)
        zboot.replaceSubrange(24..<28, with: "zstd".utf8)
        let cases = [
            (arm64, "arm64 Image"), (try CompressionTool.gzip.compress(arm64), "arm64 Image, compressed by gzip"),
            (zboot, "EFI zboot image (zstd)"), (image(Array("RSC\u{5}".utf8), at: 56), "RISC-V"),
            (image([0x18, 0x28, 0x6F, 0x01], at: 0x24), "arm zImage"),
            (image([0x27, 0x05, 0x19, 0x56], at: 0), "uImage"),
            (try CompressionTool.gzip.compress(Array("hello".utf8)), "gzip file"), ([0x1F, 0x8B], "gzip file"),
            ([], "neither"), (Array("hello".utf8), "neither"),
        ]
        for (file, name) in cases {
            let error = try #require(throws: ProbeError.self) { try KernelImage(file) }
            #expect(error.reason == .formatUnsupported)
            #expect(error.description.contains(name), "\(error)")
        }
    }
}
