internal import CCompression
internal import KernelHeaders

/// Compresses into one zstd frame with a checksum. The same bytes in, the same version of libzstd: the same bytes out.
public final class ZstdSink: ByteSink {
    /// The library, on whose version the compressed bytes depend.
    public static var libraryVersion: String { "libzstd-\(String(cString: ZSTD_versionString()))" }

    private let sink: any ByteSink
    private let context: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer

    /// - Parameter level: 1 to 22.
    public init(_ sink: any ByteSink, level: Int) throws {
        guard let context = ZSTD_createCCtx() else {
            throw Problem(.internalError, "zstd has no memory for an encoder.")
        }
        self.sink = sink
        self.context = context
        output = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level))
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while input.pos < input.size { try step(&input, ZSTD_e_continue) }
    }

    public func finish() throws {
        var input = ZSTD_inBuffer(src: nil, size: 0, pos: 0)
        while try step(&input, ZSTD_e_end) > 0 {}
        try sink.finish()
    }

    /// One call of the encoder; answers how many bytes it still holds back.
    @discardableResult
    private func step(_ input: inout ZSTD_inBuffer, _ end: ZSTD_EndDirective) throws -> Int {
        var piece = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let left = ZSTD_compressStream2(context, &piece, &input, end)
        guard ZSTD_isError(left) == 0 else {
            throw Problem(.internalError, "zstd failed: \(String(cString: ZSTD_getErrorName(left))).")
        }
        try sink.write(UnsafeRawBufferPointer(rebasing: output[..<piece.pos]))
        return left
    }
}
