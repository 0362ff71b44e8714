/// Bytes that are read once, from the front: a file, a response body, a decompressor.
public protocol ByteSource: AnyObject {
    /// Fills the buffer from its start.
    ///
    /// - Parameter buffer: not empty.
    /// - Returns: how many bytes were put there; 0 only at the end of the source.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

extension ByteSource {
    /// Fills the whole buffer, unless the source ends before.
    ///
    /// - Returns: how many bytes were put there; fewer than the buffer holds only at the end of the source.
    package func readFully(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Hands everything that is left to `sink`, a piece at a time.
    package func drain(chunk: Int = 1 << 16, _ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk, alignment: 16)
        defer { buffer.deallocate() }
        while case let count = try read(into: buffer), count > 0 {
            try sink(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Everything that is left, for sources that are known to be small or limited.
    package func readAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        try drain { bytes.append(contentsOf: $0) }
        return bytes
    }
}

/// Where bytes go, in order: a file, a compressor, a hash.
public protocol ByteSink: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Writes out what is held back. Nothing may be written after it.
    func finish() throws
}

extension ByteSink {
    package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }
}
