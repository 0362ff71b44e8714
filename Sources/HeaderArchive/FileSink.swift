internal import Glibc

/// An open file as a sink. Borrows the descriptor; `finish` neither syncs nor closes it.
public final class FileSink: ByteSink {
    private let descriptor: CInt
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 16

    public init(borrowing descriptor: CInt) {
        self.descriptor = descriptor
        buffer.reserveCapacity(Self.bufferSize)
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        // A tar is written in pieces of 512 bytes; a system call for each would cost more than the copy.
        if buffer.count + bytes.count > Self.bufferSize { try finish() }
        if bytes.count >= Self.bufferSize {
            try Self.writeAll(descriptor, bytes)
        } else {
            buffer.append(contentsOf: bytes)
        }
    }

    public func finish() throws {
        try buffer.withUnsafeBytes { try Self.writeAll(descriptor, $0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private static func writeAll(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = try SystemCallError.check("write", nil) {
                Glibc.write(descriptor, piece.baseAddress, piece.count)
            }
            rest = rest.dropFirst(count)
        }
    }
}
