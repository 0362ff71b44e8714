internal import CCompression
internal import KernelHeaders

/// Compresses into one gzip member without a name or a time.
public final class GzipSink: ByteSink {
    /// The library, on whose version the compressed bytes depend.
    public static var libraryVersion: String { "zlib-\(String(cString: zlibVersion()))" }

    private let sink: any ByteSink
    private var stream = z_stream()
    private let output = UnsafeMutablePointer<UInt8>.allocate(capacity: GzipSink.outputSize)
    private static let outputSize = 1 << 16

    /// - Parameter level: 1 to 9, as of the `gzip` command.
    public init(_ sink: any ByteSink, level: Int) throws {
        self.sink = sink
        guard khd_deflate_init(&stream, CInt(level), 15 + 16) == Z_OK else {
            throw Problem(.internalError, "zlib has no memory for an encoder.")
        }
    }

    deinit {
        deflateEnd(&stream)
        output.deallocate()
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            // zlib counts in 32 bits.
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            stream.next_in = UnsafeMutablePointer(mutating: piece.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.avail_in = UInt32(piece.count)
            while stream.avail_in > 0 { try step(Z_NO_FLUSH) }
            rest = rest.dropFirst(piece.count)
        }
    }

    public func finish() throws {
        while try step(Z_FINISH) != Z_STREAM_END {}
        try sink.finish()
    }

    @discardableResult
    private func step(_ flush: CInt) throws -> CInt {
        stream.next_out = output
        stream.avail_out = UInt32(Self.outputSize)
        let status = deflate(&stream, flush)
        guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
            throw Problem(.internalError, "zlib failed (\(status)).")
        }
        try sink.write(UnsafeRawBufferPointer(start: output, count: Self.outputSize - Int(stream.avail_out)))
        return status
    }
}
