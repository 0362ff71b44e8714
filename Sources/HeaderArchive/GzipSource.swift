internal import CCompression
internal import KernelHeaders

/// Decompresses gzip members, one after the other, with their checks, through zlib.
public final class GzipSource: ByteSource {
    private let source: any ByteSource
    private let ignoresTrailingData: Bool
    private var stream = z_stream()
    private let input = UnsafeMutablePointer<UInt8>.allocate(capacity: GzipSource.inputSize)
    private static let inputSize = 1 << 16
    private var sourceEnded = false
    private var memberEnded = false

    /// - Parameter ignoresTrailingData: stop after the first member, for payloads inside other files.
    public init(_ source: any ByteSource, ignoresTrailingData: Bool = false) throws {
        self.source = source
        self.ignoresTrailingData = ignoresTrailingData
        // 15 bits of window, and 16 for "gzip, not zlib".
        guard khd_inflate_init(&stream, 15 + 16) == Z_OK else {
            throw Problem(.internalError, "zlib has no memory for a decoder.")
        }
    }

    deinit {
        inflateEnd(&stream)
        input.deallocate()
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(clamping: buffer.count)
        let wanted = stream.avail_out
        while stream.avail_out > 0 {
            if memberEnded, ignoresTrailingData { break }
            if stream.avail_in == 0, !sourceEnded {
                let count = try source.read(into: UnsafeMutableRawBufferPointer(start: input, count: Self.inputSize))
                stream.next_in = input
                stream.avail_in = UInt32(count)
                sourceEnded = count == 0
            }
            if memberEnded {
                if stream.avail_in == 0 { break }
                inflateReset(&stream)
                memberEnded = false
            }
            switch inflate(&stream, Z_NO_FLUSH) {
            case Z_OK: break
            case Z_STREAM_END: memberEnded = true
            case Z_BUF_ERROR where sourceEnded:
                throw Problem(.archiveTruncated, "The gzip data ends inside a member. Send the whole file.")
            case Z_BUF_ERROR: break
            case let status:
                throw Problem(
                    .archiveCorrupt, "The gzip data is damaged (zlib error \(status)). Make the archive again.")
            }
        }
        return Int(wanted - stream.avail_out)
    }
}
