/// Bytes that can be read at any offset, so that of a vmlinux of 500 MB only what is needed is read.
protocol RandomAccessBytes: Sendable {
    /// Bytes there are.
    var count: Int { get }

    /// Fills the buffer from an offset on.
    ///
    /// - Parameter offset: 0 to ``count``.
    /// - Returns: how many bytes were put there; fewer than the buffer holds only at the end.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

extension RandomAccessBytes {
    /// Exactly the bytes of a range that the file itself names, and that can't be trusted.
    ///
    /// - Parameter what: named in the error.
    /// - Throws: ``ProbeError`` with `truncated` unless all of them are there.
    func bytes(at offset: UInt64, count wanted: UInt64, _ what: String) throws -> [UInt8] {
        let all = UInt64(count)
        guard offset <= all, wanted <= all - offset else {
            throw ProbeError(.truncated, "\(what) lies behind the end of the file. It was cut off, or is damaged.")
        }
        // Not filled with zeros first: a library of 3 MB is read at each start of a tool.
        let bytes = try [UInt8](unsafeUninitializedCapacity: Int(wanted)) { buffer, count in
            count = try self.read(at: Int(offset), into: UnsafeMutableRawBufferPointer(buffer))
        }
        guard bytes.count == Int(wanted) else {
            throw ProbeError(.truncated, "The file became shorter while \(what) was read. Try again.")
        }
        return bytes
    }

    /// The first bytes, as many as there are.
    func firstBytes(_ length: Int) throws -> [UInt8] {
        try bytes(at: 0, count: UInt64(min(length, count)), "The file's start")
    }
}

extension [UInt8]: RandomAccessBytes {
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let piece = self[offset...].prefix(buffer.count)
        buffer.copyBytes(from: piece)
        return piece.count
    }
}
