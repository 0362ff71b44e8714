internal import CCompression
internal import KernelHeaders

/// Decompresses zstd frames, one after the other, through libzstd.
public final class ZstdSource: ByteSource {
    /// The largest window taken, as a power of two: 128 MiB, libzstd's own default.
    public static let windowLogLimit: CInt = 27

    private let source: any ByteSource
    private let context: OpaquePointer
    private let input: UnsafeMutableRawBufferPointer
    private var position = 0
    private var available = 0
    private var frameIsOpen = false
    private var sawFrame = false

    public init(_ source: any ByteSource) throws {
        guard let context = ZSTD_createDCtx() else {
            throw Problem(.internalError, "zstd has no memory for a decoder.")
        }
        self.source = source
        self.context = context
        input = .allocate(byteCount: ZSTD_DStreamInSize(), alignment: 16)
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLogLimit)
    }

    deinit {
        ZSTD_freeDCtx(context)
        input.deallocate()
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        while output.pos < output.size {
            if position == available {
                available = try source.read(into: input)
                position = 0
                if available == 0 {
                    // The decoder may hold output back that no input asks for.
                    if frameIsOpen, try step(&output) > 0 { continue }
                    guard !frameIsOpen, sawFrame else {
                        throw Problem(.archiveTruncated, "The zstd data ends inside a frame. Send the whole file.")
                    }
                    break
                }
            }
            try step(&output)
        }
        return output.pos
    }

    /// One call of the decoder; answers how many bytes it put out.
    @discardableResult
    private func step(_ output: inout ZSTD_outBuffer) throws -> Int {
        let before = output.pos
        var piece = ZSTD_inBuffer(src: input.baseAddress, size: available, pos: position)
        let status = ZSTD_decompressStream(context, &output, &piece)
        position = piece.pos
        guard ZSTD_isError(status) == 0 else {
            if ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge {
                throw Problem(
                    .archiveWindowTooLarge,
                    "The zstd window is over \(1 << (Self.windowLogLimit - 20)) MiB. Compress without --long.")
            }
            let reason = String(cString: ZSTD_getErrorName(status))
            throw Problem(.archiveCorrupt, "The zstd data is damaged (\(reason)). Make the archive again.")
        }
        frameIsOpen = status != 0
        sawFrame = true
        return output.pos - before
    }
}
