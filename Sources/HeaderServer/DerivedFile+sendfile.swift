import HeaderStore
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

extension DerivedFile {
    /// Sends a part of the file as body of an answer whose head was written, by `sendfile(2)`: the kernel copies it from
    /// its page cache to the socket, and this process never sees it. Hummingbird's writer takes buffers only, which costs
    /// several times as much (Tests/Benchmarks); this writes past it, into the HTTP/1 encoder behind its codec.
    ///
    /// - Parameter channel: the connection.
    /// - Returns: false if the connection can't: with TLS or HTTP/2 the bytes have to be seen. Nothing was sent then.
    /// - Throws: what the channel says when the connection breaks; `SystemCallError`.
    func send(_ range: Range<Int>, over channel: any Channel) async throws -> Bool {
        for step in stride(from: range.lowerBound, to: range.upperBound, by: Self.step) {
            let part = step..<min(step + Self.step, range.upperBound)
            guard try await sendStep(part, over: channel) else { return false }
        }
        return true
    }

    /// Bytes sent at a time, and how long a client may take for them before its connection is closed: one that stops reading
    /// must not hold the connection, and the disk space of the file, for ever.
    private static var step: Int { 2 << 20 }
    private static var patience: TimeAmount { .seconds(120) }

    private func sendStep(_ range: Range<Int>, over channel: any Channel) async throws -> Bool {
        let descriptor = try duplicateDescriptor()
        return try await channel.eventLoop.flatSubmit {
            let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
            guard
                let codec = try? channel.pipeline.syncOperations.context(handlerType: HTTP1ToHTTPServerCodec.self)
            else {
                try? handle.close()
                return channel.eventLoop.makeSucceededFuture(false)
            }
            let sent = channel.eventLoop.makePromise(of: Void.self)
            let region = FileRegion(fileHandle: handle, readerIndex: range.lowerBound, endIndex: range.upperBound)
            let closing = channel.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
            codec.writeAndFlush(NIOAny(HTTPServerResponsePart.body(.fileRegion(region))), promise: sent)
            return sent.futureResult.always { _ in
                closing.cancel()
                try? handle.close()
            }.map { true }
        }.get()
    }
}
