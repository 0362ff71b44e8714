import HeaderStore
import NIOCore
import NIOHTTP1

/// Sends a part of a file over an HTTP/1 connection by `sendfile(2)`, step by step. All of it happens on the connection's
/// event loop: to hand each step to another thread and back costs more than to send it.
final class FileSending {
    /// Bytes sent at a time, before other connections get their turn; and how long a client may take for them before its
    /// connection is closed: one that stops reading must not hold the connection, and the disk space of the file, for ever.
    private static let step = 2 << 20
    private static let patience = TimeAmount.seconds(120)

    private let file: OpenFile
    private var rest: Range<Int>
    private let codec: ChannelHandlerContext
    private let note: (@Sendable (_ bytes: Int) -> Void)?
    private let whole: EventLoopPromise<Void>

    /// - Parameters:
    ///   - range: of the file, which is as long.
    ///   - codec: the handler in front of the encoder; the encoder takes parts of files.
    ///   - note: is told of the bytes that were sent.
    init(
        _ file: OpenFile, _ range: Range<Int>, past codec: ChannelHandlerContext,
        note: (@Sendable (_ bytes: Int) -> Void)?
    ) {
        self.file = file
        rest = range
        self.codec = codec
        self.note = note
        whole = codec.eventLoop.makePromise()
    }

    /// - Returns: succeeds when the system has taken all bytes; fails with what the channel says when the connection breaks,
    ///   with `Problem` with `store-damaged` if the file is too short, or `SystemCallError`.
    func begin() -> EventLoopFuture<Void> {
        next()
        return whole.futureResult
    }

    private func next() {
        guard !rest.isEmpty else { return whole.succeed() }
        let part = rest.prefix(Self.step)
        do {
            let handle = NIOFileHandle(
                _deprecatedTakingOwnershipOfDescriptor: try file.duplicateDescriptor(upTo: part.endIndex))
            let region = FileRegion(fileHandle: handle, readerIndex: part.startIndex, endIndex: part.endIndex)
            let loop = codec.eventLoop.assumeIsolated()
            let closing = loop.scheduleTask(in: Self.patience) { [codec] in codec.channel.close(promise: nil) }
            let sent = codec.eventLoop.makePromise(of: Void.self)
            sent.futureResult.assumeIsolated().whenComplete { [self] result in
                closing.cancel()
                try? handle.close()
                switch result {
                case .success:
                    note?(part.count)
                    rest = part.endIndex..<rest.upperBound
                    guard !rest.isEmpty else { return whole.succeed() }
                    loop.execute { self.next() }
                case .failure(let error): whole.fail(error)
                }
            }
            codec.writeAndFlush(NIOAny(HTTPServerResponsePart.body(.fileRegion(region))), promise: sent)
        } catch {
            whole.fail(error)
        }
    }
}
