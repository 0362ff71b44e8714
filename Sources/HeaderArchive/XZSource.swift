internal import CCompression
internal import KernelHeaders

/// Decompresses xz (one or several streams, with their checks), or the older lzma form, through liblzma.
public final class XZSource: ByteSource {
    /// Memory that a decoder of an archive may use. `xz -9` needs 65 MiB; a larger dictionary is refused.
    public static let memoryLimit: UInt64 = 96 << 20
    /// The same for a kernel's payload, which newer kernels compress with a dictionary of 128 MiB (`scripts/xz_wrap.sh`).
    public static let payloadMemoryLimit: UInt64 = 160 << 20

    private let source: any ByteSource
    private let memoryLimit: UInt64
    private var stream = lzma_stream()
    private let input = UnsafeMutablePointer<UInt8>.allocate(capacity: XZSource.inputSize)
    private static let inputSize = 1 << 16
    private var action = LZMA_RUN
    private var ended = false

    /// - Parameters:
    ///   - legacyLZMA: the `.lzma` form, which old kernels use for their payload; xz otherwise. Of this form one stream is
    ///     read and what follows it is left alone.
    ///   - memoryLimit: bytes that the decoder may use.
    public init(
        _ source: any ByteSource, legacyLZMA: Bool = false, memoryLimit: UInt64 = XZSource.memoryLimit
    ) throws {
        self.source = source
        self.memoryLimit = memoryLimit
        let status =
            legacyLZMA
            ? lzma_alone_decoder(&stream, memoryLimit)
            : lzma_stream_decoder(
                &stream, memoryLimit, khd_lzma_concatenated | khd_lzma_tell_unsupported_check)
        guard status == LZMA_OK else { throw problem(status) }
    }

    deinit {
        lzma_end(&stream)
        input.deallocate()
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard !ended else { return 0 }
        stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = buffer.count
        while stream.avail_out > 0, !ended {
            if stream.avail_in == 0, action == LZMA_RUN {
                let count = try source.read(into: UnsafeMutableRawBufferPointer(start: input, count: Self.inputSize))
                stream.next_in = UnsafePointer(input)
                stream.avail_in = count
                if count == 0 { action = LZMA_FINISH }
            }
            let status = lzma_code(&stream, action)
            switch status {
            case LZMA_OK: break
            case LZMA_STREAM_END: ended = true
            default: throw problem(status)
            }
        }
        return buffer.count - stream.avail_out
    }

    private func problem(_ status: lzma_ret) -> Problem {
        switch status {
        case LZMA_BUF_ERROR:
            Problem(.archiveTruncated, "The xz data ends before its end marker. Send the whole file.")
        case LZMA_MEMLIMIT_ERROR:
            Problem(
                .archiveWindowTooLarge,
                "The xz dictionary needs over \(memoryLimit >> 20) MiB. Compress with xz -9 or less.")
        case LZMA_UNSUPPORTED_CHECK, LZMA_OPTIONS_ERROR:
            Problem(
                .archiveCorrupt,
                "The xz data uses a filter or check that liblzma does not know. Compress it again with xz.")
        default:
            Problem(
                .archiveCorrupt, "The xz data is damaged (liblzma error \(status.rawValue)). Make the archive again.")
        }
    }
}
