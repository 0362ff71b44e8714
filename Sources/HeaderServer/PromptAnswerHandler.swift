import HTTPTypes
import HeaderStore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Gives ``PromptAnswers`` on the event loop that read the request, and passes all other requests on to Hummingbird.
///
/// It stands behind Hummingbird's handler for idle connections and shutdown, which hears of the ends of its answers as of
/// others'; what comes before them goes past the encoder, as bytes. It answers only when nothing is under way on the
/// connection, so that no answer overtakes another, and when the client has taken what was written before: else Hummingbird
/// waits for it, and takes no further request. While it sends a file, what comes of further requests waits, and no more is
/// read than the rest of one that has begun.
final class PromptAnswerHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What came while a file is being sent: what was read with its request, and the rest of one that had begun.
    private struct Waiting {
        var parts: ArraySlice<NIOAny> = []
        /// Whether the last request of these is not here to its end.
        var isInRequest = false
        /// Of bodies in `parts`.
        var bytes = 0
        /// What came then is no HTTP.
        var error: (any Error)?
        var inputIsClosed = false
        var wantsToRead = false
    }

    /// Bytes of a body that are taken in while a file is sent.
    private static let maximumWaiting = 256 << 10

    /// A request whose end decides what becomes of it.
    private struct Held {
        let request: KnownRequest
        var body: [ByteBuffer] = []
    }

    private let answers: PromptAnswers
    /// Requests passed on and not answered to the end.
    private var underWay = 0
    private var held: Held?
    /// What the next request is, for whoever knows it before its head comes.
    var expected: KnownRequest?
    /// The last request that may have had an answer here, for whoever takes it.
    var asked: KnownRequest?
    private var isFlushed = true
    /// As those behind heard last.
    private var wasWritable = true
    /// In front of which answers are bytes.
    private var encoder: ChannelHandlerContext?
    /// Whether to the encoder an answer's end is a chunk without bytes, as it was in the last answer that came by here.
    private var encoderEndsChunks = false
    /// Nil while no file is being sent.
    private var waiting: Waiting?

    init(_ answers: PromptAnswers) { self.answers = answers }

    func handlerAdded(context: ChannelHandlerContext) {
        encoder = try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { encoder = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if waiting != nil {
            wait(data)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let request):
            if underWay == 0, context.channel.isWritable, let request = known(request) {
                held = Held(request: request)
                return
            }
            underWay += 1
        case .body(let buffer):
            if held != nil {
                // No more than its head said.
                held?.body.append(buffer)
                return
            }
        case .end:
            if let held, let answer = answers.answer(held.request, body: held.body) {
                self.held = nil
                return write(answer, context)
            }
            passOn(context)
        }
        context.fireChannelRead(data)
    }

    /// Nil for what has no answer here.
    private func known(_ request: HTTPRequest) -> KnownRequest? {
        if let expected { return answers.isAsked(expected) ? expected : nil }
        asked = answers.question(request).map { KnownRequest(request, $0) }
        return asked
    }

    private func wait(_ data: NIOAny) {
        waiting?.parts.append(data)
        switch unwrapInboundIn(data) {
        case .head: waiting?.isInRequest = true
        case .body(let buffer): waiting?.bytes += buffer.readableBytes
        case .end: waiting?.isInRequest = false
        }
    }

    /// Passes on what is held, as it came.
    private func passOn(_ context: ChannelHandlerContext) {
        guard let held = held.take() else { return }
        underWay += 1
        context.fireChannelRead(wrapInboundOut(.head(held.request.request)))
        for buffer in held.body { context.fireChannelRead(wrapInboundOut(.body(buffer))) }
    }

    private func write(_ answer: PromptAnswer, _ context: ChannelHandlerContext) {
        if let encoder, !encoderEndsChunks {
            var bytes = answer.headBytes(context.channel.allocator)
            if case .bytes(let body) = answer.body {
                if body.readableBytes > bytes.writableBytes {
                    encoder.write(NIOAny(IOData.byteBuffer(bytes)), promise: nil)
                    bytes = body
                } else {
                    bytes.writeImmutableBuffer(body)
                }
            }
            encoder.write(NIOAny(IOData.byteBuffer(bytes)), promise: nil)
        } else {
            encoderEndsChunks = false
            context.write(wrapOutboundOut(.head(answer.wholeHead)), promise: nil)
            if case .bytes(let body) = answer.body { context.write(wrapOutboundOut(.body(body)), promise: nil) }
        }
        if case .file(let file, let range) = answer.body { return send(file, range, context) }
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        isFlushed = false
    }

    private func send(_ file: OpenFile, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        guard let codec = try? context.pipeline.syncOperations.context(handlerType: RequestCodec.self) else {
            return context.close(promise: nil)
        }
        waiting = Waiting()
        FileSending(file, range, past: codec, note: nil).begin().assumeIsolated().whenComplete { [self] result in
            // The client sees a broken connection, never a short answer that looks whole.
            guard case .success = result else { return context.close(promise: nil) }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            goOn(context)
        }
    }

    /// Takes up what waited for the end of a file.
    private func goOn(_ context: ChannelHandlerContext) {
        guard var before = waiting.take() else { return }
        if wasWritable != context.channel.isWritable { channelWritabilityChanged(context: context) }
        let isEmpty = before.parts.isEmpty
        while waiting == nil, let part = before.parts.popFirst() { channelRead(context: context, data: part) }
        // A file again: the rest goes on waiting.
        let waits = waiting != nil
        if waits { waiting = before }
        if !isEmpty { channelReadComplete(context: context) }
        if waits { return }
        if let error = before.error { errorCaught(context: context, error: error) }
        if before.inputIsClosed { userInboundEventTriggered(context: context, event: ChannelEvent.inputClosed) }
        if before.wantsToRead { context.read() }
    }

    /// Hummingbird answers it, but not in the middle of a file.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard waiting == nil else {
            waiting?.error = error
            return
        }
        // It will not become whole.
        passOn(context)
        context.fireErrorCaught(error)
    }

    /// What has begun to come is taken to its end: Hummingbird, which has seen its beginning, else takes the client for one
    /// that is too slow.
    func read(context: ChannelHandlerContext) {
        guard let waiting, !waiting.isInRequest || waiting.bytes >= Self.maximumWaiting else { return context.read() }
        self.waiting?.wantsToRead = true
    }

    /// Behind it nobody writes while a file is sent, which makes the connection busy and ready again at each step.
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard waiting == nil else { return }
        wasWritable = context.channel.isWritable
        context.fireChannelWritabilityChanged()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !isFlushed {
            isFlushed = true
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            encoderEndsChunks = head.headerFields[.contentLength] == nil
        case .end: underWay -= 1
        default: break
        }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        if waiting != nil {
            waiting?.inputIsClosed = true
            return
        }
        passOn(context)
        // To Hummingbird, a client that sends no more and has nothing under way is gone; but it may still be reading.
        guard underWay == 0, let encoder else { return context.fireUserInboundEventTriggered(event) }
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            bound.value.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        encoder.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
    }
}
