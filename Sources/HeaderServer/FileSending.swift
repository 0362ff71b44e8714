import HeaderStore
import NIOCore
import NIOHTTP1

/// Sends a part of a file over an HTTP/1 connection by `sendfile(2)`, step by step. All of it happens on the connection's
/// event loop: to hand each step to another thread and back costs more than to send it.
final class FileSending {
    /// Bytes sent at a time, before other connections get their turn; and how long a client may take for them before its
    /// connection is closed: one that stops reading must not hold the connection, and the disk space of the file, for ever.
    static let step = 4 << 20
    static let patience = TimeAmount.seconds(240)

    private let file: OpenFile
    private var rest: Range<Int>
    private let codec: ChannelHandlerContext
    private let note: (@Sendable (_ bytes: Int) -> Void)?
    private let whole: EventLoopPromise<Void>
    private var handle: NIOFileHandle?
    private var isOver = false
    /// When the client is to have taken the step that is under way.
    private var deadline = NIODeadline.distantFuture
    private var closing: Scheduled<Void>?

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
        guard !rest.isEmpty else { return end(.success(())) }
        let part = rest.prefix(Self.step)
        do {
            let descriptor = try file.descriptor(upTo: part.endIndex)
            let handle = handle ?? NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
            self.handle = handle
            deadline = codec.eventLoop.now + Self.patience
            let sent = codec.eventLoop.makePromise(of: Void.self)
            sent.futureResult.assumeIsolated().whenComplete { [self] result in
                guard case .success = result else { return end(result) }
                note?(part.count)
                rest = part.endIndex..<rest.upperBound
                guard !rest.isEmpty else { return end(result) }
                codec.eventLoop.assumeIsolated().execute { self.next() }
            }
            let region = FileRegion(fileHandle: handle, readerIndex: part.startIndex, endIndex: part.endIndex)
            codec.writeAndFlush(NIOAny(HTTPServerResponsePart.body(.fileRegion(region))), promise: sent)
            if !isOver, closing == nil { watch() }
        } catch {
            end(.failure(error))
        }
    }

    /// Closes the connection at the deadline; one for all steps, which mostly take a blink.
    private func watch() {
        closing = codec.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            if codec.eventLoop.now < deadline { watch() } else { codec.channel.close(promise: nil) }
        }
    }

    private func end(_ result: Result<Void, any Error>) {
        isOver = true
        closing?.cancel()
        // The descriptor is the file's.
        _ = try? handle?.takeDescriptorOwnership()
        whole.completeWith(result)
    }
}
