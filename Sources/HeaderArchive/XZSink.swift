internal import CCompression
internal import KernelHeaders

/// Compresses into one xz stream of one block with CRC64, on one thread, as the kernel's build does.
public final class XZSink: ByteSink {
    /// The library, on whose version the compressed bytes depend.
    public static var libraryVersion: String { "liblzma-\(String(cString: lzma_version_string()))" }

    private let sink: any ByteSink
    private var stream = lzma_stream()
    private let output = UnsafeMutablePointer<UInt8>.allocate(capacity: XZSink.outputSize)
    private static let outputSize = 1 << 16

    /// - Parameter preset: 0 to 9, as of the `xz` command.
    public init(_ sink: any ByteSink, preset: Int) throws {
        self.sink = sink
        guard lzma_easy_encoder(&stream, UInt32(preset), LZMA_CHECK_CRC64) == LZMA_OK else {
            throw Problem(.internalError, "liblzma has no memory for an encoder.")
        }
    }

    deinit {
        lzma_end(&stream)
        output.deallocate()
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        stream.next_in = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_in = bytes.count
        while stream.avail_in > 0 { try step(LZMA_RUN) }
    }

    public func finish() throws {
        stream.avail_in = 0
        while try step(LZMA_FINISH) != LZMA_STREAM_END {}
        try sink.finish()
    }

    @discardableResult
    private func step(_ action: lzma_action) throws -> lzma_ret {
        stream.next_out = output
        stream.avail_out = Self.outputSize
        let status = lzma_code(&stream, action)
        guard status == LZMA_OK || status == LZMA_STREAM_END else {
            throw Problem(.internalError, "liblzma failed (\(status.rawValue)).")
        }
        try sink.write(UnsafeRawBufferPointer(start: output, count: Self.outputSize - stream.avail_out))
        return status
    }
}
