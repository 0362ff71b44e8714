import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

extension OpenFile {
    /// Bytes read at a time. Measured for Hummingbird's writer: smaller pieces cost more processor time, larger ones more
    /// memory for each slow client.
    static let chunk = 256 << 10

    /// Writes a part of the file, which has to be there, as body of an answer whose head was written.
    ///
    /// - Throws: what the channel says when the connection breaks; `SystemCallError`; `Problem` with `store-damaged`: derived
    ///   files are only ever renamed into place, a short one is a damaged disk. The client sees a broken connection, never a
    ///   short answer that looks whole.
    func write(_ range: Range<Int>, to writer: inout any ResponseBodyWriter, over channel: any Channel) async throws {
        if try await send(range, to: writer, over: channel) { return }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(Self.chunk, range.upperBound - offset)
            var buffer = ByteBufferAllocator().buffer(capacity: count)
            let read = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                try self.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
            }
            guard read > 0 else {
                throw Problem(.storeDamaged, "A derived file is shorter than its record. Run a verify.")
            }
            offset += read
            try await writer.write(buffer)
        }
    }

    /// Sends it by `sendfile(2)`: the kernel copies it from its page cache to the socket, and this process never sees it.
    /// Hummingbird's writer takes buffers only, which costs several times as much (Tests/Benchmarks); this writes past it,
    /// into the HTTP/1 encoder behind its codec.
    ///
    /// - Returns: false if the connection can't: with TLS or HTTP/2 the bytes have to be seen. Nothing was sent then. This
    ///   server has neither of itself, but whoever puts another channel below its routes loses no byte.
    private func send(
        _ range: Range<Int>, to writer: any ResponseBodyWriter, over channel: any Channel
    ) async throws -> Bool {
        let note = (writer as? MeteredWriter)?.note
        return try await channel.eventLoop.flatSubmit {
            guard
                let codec = try? channel.pipeline.syncOperations.context(handlerType: RequestCodec.self)
            else { return channel.eventLoop.makeSucceededFuture(false) }
            return FileSending(self, range, past: codec, note: note).begin().map { true }
        }.get()
    }
}
