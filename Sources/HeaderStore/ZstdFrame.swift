internal import CCompression
internal import KernelHeaders
internal import Synchronization

/// One zstd frame in memory, with a checksum, perhaps with a prefix: bytes that both sides know, to which the frame may
/// refer as if they came before it (libzstd's `ZSTD_CCtx_refPrefix`, the `zstd` command's `--patch-from`).
enum ZstdFrame {
    /// The most bytes that a frame may hold: far more than a manifest or a block has.
    private static let maximumLength = 4 << 30
    /// The level that pays: 22 makes a thousandth less of a tree's blocks, and takes up to two thirds longer.
    static let tight = 19

    static func compress(_ bytes: [UInt8], prefix: [UInt8] = [], level: Int) throws -> [UInt8] {
        guard let context = ZSTD_createCCtx() else { throw failure("no memory") }
        defer { ZSTD_freeCCtx(context) }
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level))
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        if !prefix.isEmpty {
            // The window has to reach over the contents to the front of the prefix.
            let needed = Int.bitWidth - (bytes.count + prefix.count).leadingZeroBitCount
            ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, CInt(max(needed, 10)))
            ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1)
        }
        var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        let written = try prefix.withUnsafeBytes { prefix in
            // The context keeps the pointer until the frame is made.
            if !prefix.isEmpty { ZSTD_CCtx_refPrefix(context, prefix.baseAddress, prefix.count) }
            return try check(ZSTD_compress2(context, &output, output.count, bytes, bytes.count))
        }
        output.removeSubrange(written...)
        return output
    }

    /// - Parameters:
    ///   - rawLength: the length of the contents, which the index knows.
    ///   - prefix: the one it was compressed with.
    /// - Returns: exactly `rawLength` bytes.
    /// - Throws: `Problem` with `store-damaged` if the frame is not what the index says.
    static func decompress(_ frame: [UInt8], rawLength: Int, prefix: [UInt8] = []) throws -> [UInt8] {
        // An index that is damaged may ask for any number of bytes. The frame says itself how many it has.
        guard (0...maximumLength).contains(rawLength),
            frame.withUnsafeBytes({ ZSTD_getFrameContentSize($0.baseAddress, $0.count) }) == UInt64(rawLength)
        else { throw failure("wrong length") }
        let decompressor = try idle.withLock { $0.popLast() } ?? Decompressor()
        let context = decompressor.context
        defer {
            ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters)
            idle.withLock { if $0.count < idleLimit { $0.append(decompressor) } }
        }
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 30)
        let bytes = try [UInt8](unsafeUninitializedCapacity: rawLength) { buffer, count in
            count = try prefix.withUnsafeBytes { prefix in
                if !prefix.isEmpty { ZSTD_DCtx_refPrefix(context, prefix.baseAddress, prefix.count) }
                return try check(ZSTD_decompressDCtx(context, buffer.baseAddress, rawLength, frame, frame.count))
            }
        }
        guard bytes.count == rawLength else { throw failure("wrong length") }
        return bytes
    }

    /// What a decompression works in: making one takes longer than decompressing a small block.
    private final class Decompressor: @unchecked Sendable {
        let context: OpaquePointer

        init() throws {
            guard let context = ZSTD_createDCtx() else { throw failure("no memory") }
            self.context = context
        }

        deinit { ZSTD_freeDCtx(context) }
    }

    /// 96 kB each.
    private static let idle = Mutex<[Decompressor]>([])
    private static let idleLimit = 8

    private static func check(_ status: Int) throws -> Int {
        guard ZSTD_isError(status) == 0 else { throw failure(String(cString: ZSTD_getErrorName(status))) }
        return status
    }

    private static func failure(_ reason: String) -> Problem {
        Problem(.storeDamaged, "A compressed block of the store can't be read or made (\(reason)). Run a verify.")
    }
}
