internal import HeaderArchive

/// Ends in an error when more comes out of a decompressor than its archive may hold.
final class LimitedSource: ByteSource {
    private let source: any ByteSource
    private let limit: Int
    private var left: Int

    init(_ source: any ByteSource, limit: Int) {
        self.source = source
        self.limit = limit
        left = limit
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try source.read(into: buffer)
        guard count <= left else { throw ProbeError(.tooLarge, "The archive unpacks to over \(limit) bytes.") }
        left -= count
        return count
    }
}
