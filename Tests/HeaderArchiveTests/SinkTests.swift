import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct SinkTests {
    static func compress(_ bytes: [UInt8], _ tool: CompressionTool, level: Int, piece: Int = .max) throws -> [UInt8] {
        let memory = MemorySink()
        let sink: any ByteSink =
            switch tool {
            case .xz: try XZSink(memory, preset: level)
            case .zstd: try ZstdSink(memory, level: level)
            case .gzip: try GzipSink(memory, level: level)
            }
        var rest = bytes[...]
        while !rest.isEmpty {
            try sink.write(Array(rest.prefix(piece)))
            rest = rest.dropFirst(piece)
        }
        try sink.write([])
        try sink.finish()
        #expect(memory.isFinished)
        return memory.bytes
    }

    static func source(_ bytes: [UInt8], _ tool: CompressionTool) throws -> any ByteSource {
        switch tool {
        case .xz: try XZSource(MemorySource(bytes))
        case .zstd: try ZstdSource(MemorySource(bytes))
        case .gzip: try GzipSource(MemorySource(bytes))
        }
    }

    @Test(arguments: CompressionTool.allCases, [1, 6])
    func toolsTakeTheOutput(_ tool: CompressionTool, _ level: Int) throws {
        let tar = SmallKernel().tar
        let compressed = try Self.compress(tar, tool, level: level, piece: 100_000)
        #expect(compressed.count < tar.count / 4)
        try tool.check(compressed)
        #expect(try tool.decompress(compressed) == tar)
        #expect(try Self.source(compressed, tool).readAll() == tar)
        #expect(try Self.compress(tar, tool, level: level, piece: 100_000) == compressed, "the same bytes each time")
    }

    @Test(arguments: CompressionTool.allCases)
    func nothingIsAWholeStreamToo(_ tool: CompressionTool) throws {
        let compressed = try Self.compress([], tool, level: 1)
        try tool.check(compressed)
        #expect(try tool.decompress(compressed) == [])
        #expect(try Self.source(compressed, tool).readAll() == [])
    }

    @Test(arguments: CompressionTool.allCases)
    func whatCannotBeCompressedComesBack(_ tool: CompressionTool) throws {
        var random = SeededGenerator(seed: 3)
        let noise = (0..<40_000).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
        let compressed = try Self.compress(noise, tool, level: 1, piece: 65_536)
        try tool.check(compressed)
        #expect(try Self.source(compressed, tool).readAll() == noise)
    }

    /// A checksum in every stream, so that damage on the way is found by any tool.
    @Test func streamsHaveChecksums() throws {
        let bytes = Array("#define A 1\n".utf8)
        let xz = try Self.compress(bytes, .xz, level: 6)
        #expect(xz[7] == 4, "CRC64, in the stream flags")
        let zstd = try Self.compress(bytes, .zstd, level: 3)
        #expect(zstd[4] & 4 == 4, "content checksum, in the frame header descriptor")
        let gzip = try Self.compress(bytes, .gzip, level: 6)
        #expect(Array(gzip[3..<8]) == [0, 0, 0, 0, 0], "no name, no time")
    }

    @Test func filesTakePiecesOfAnySize() throws {
        try withTemporaryFolder { folder in
            let file = try folder.write([], to: "file")
            let descriptor = open(file, O_WRONLY)
            defer { close(descriptor) }
            let sink = FileSink(borrowing: descriptor)
            var expected: [UInt8] = []
            for (number, size) in [1, 511, 65_535, 1, 65_536, 65_537, 0, 200_000, 3].enumerated() {
                let piece = [UInt8](repeating: UInt8(number), count: size)
                try sink.write(piece)
                expected += piece
            }
            try sink.finish()
            #expect(try folder.read("file") == expected)
        }
    }

    @Test func failuresOfTheFileAreThrown() throws {
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        let sink = FileSink(borrowing: descriptor)
        try sink.write([1])
        let full = SystemCallError(call: "write", path: nil, number: ENOSPC)
        #expect(throws: full) { try sink.finish() }
        #expect(full.description == "write: No space left on device")
        let zstd = try ZstdSink(FileSink(borrowing: descriptor), level: 1)
        #expect(throws: full) { try zstd.finish() }
    }
}
