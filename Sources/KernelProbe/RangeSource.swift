internal import HeaderArchive

/// A part of a file as a source: a boot image's payload, a package's member.
final class RangeSource: ByteSource {
    private let bytes: any RandomAccessBytes
    private var position: Int
    private let end: Int
    private let whenRead: (Int) -> Void

    /// - Parameters:
    ///   - range: within the bytes.
    ///   - whenRead: told how far into the file reading has come.
    init(_ bytes: any RandomAccessBytes, _ range: Range<Int>, whenRead: @escaping (Int) -> Void = { _ in }) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
        self.whenRead = whenRead
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(end - position))
        guard !piece.isEmpty else { return 0 }
        let read = try bytes.read(at: position, into: piece)
        position += read
        whenRead(position)
        return read
    }
}
