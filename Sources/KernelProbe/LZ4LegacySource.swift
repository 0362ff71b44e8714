internal import HeaderArchive

/// Decompresses the legacy frame of LZ4, which `lz4 -l` writes and the kernel's build uses for its payload:
///
/// ```
/// 4        magic 0x184C2102 (integers little-endian); may come again before any block
/// then for each block, to the end of the source:
/// 4        length of the block, in bytes
/// …        the block, 8 MiB when decompressed, the last one less
/// ```
///
/// There is no checksum and no end mark.
final class LZ4LegacySource: ByteSource {
    private static let magic: UInt32 = 0x184C_2102
    private static let blockSize = 8 << 20
    /// What a block that can't be compressed grows to (`LZ4_COMPRESSBOUND`).
    private static let longestBlock = blockSize + blockSize / 255 + 16

    private let source: any ByteSource
    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: blockSize, alignment: 16)
    private var available = 0..<0

    /// - Throws: ``ProbeError`` with `payloadDamaged` if the magic is missing; what the source throws.
    init(_ source: any ByteSource) throws {
        self.source = source
        guard try readWord() == Self.magic else { throw Self.damaged("it does not start with its magic number") }
    }

    deinit { block.deallocate() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while available.isEmpty {
            guard try readBlock() else { return 0 }
        }
        let count = min(buffer.count, available.count)
        let start = available.lowerBound
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: block[start..<(start + count)]))
        available = (start + count)..<available.upperBound
        return count
    }

    /// - Returns: false at the end of the source.
    private func readBlock() throws -> Bool {
        guard let length = try readWord() else { return false }
        guard length != Self.magic else { return true }
        guard (1...UInt32(Self.longestBlock)).contains(length) else {
            throw Self.damaged("a block says that it has \(length) bytes")
        }
        var input = [UInt8](repeating: 0, count: Int(length))
        let written: Int? = try input.withUnsafeMutableBytes { input in
            guard try source.readFully(into: input) == input.count else { throw Self.damaged("it ends inside a block") }
            return LZ4Block.decompress(UnsafeRawBufferPointer(input), into: block)
        }
        guard let written else { throw Self.damaged("a block does not decode") }
        available = 0..<written
        return true
    }

    /// - Returns: nil at the end of the source.
    private func readWord() throws -> UInt32? {
        var bytes = [UInt8](repeating: 0, count: 4)
        let count = try bytes.withUnsafeMutableBytes { try source.readFully(into: $0) }
        guard count > 0 else { return nil }
        guard count == bytes.count else { throw Self.damaged("it ends inside a block's length") }
        return BinaryFields(bytes, isBigEndian: false).integer(UInt32.self, at: 0)
    }

    private static func damaged(_ what: String) -> ProbeError {
        ProbeError(.payloadDamaged, "The lz4 data is damaged: \(what).")
    }
}
