import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Gives ``PromptAnswers`` on the event loop that read the request, and passes all other requests on to Hummingbird.
///
/// It stands behind Hummingbird's handler for idle connections and shutdown, and behind this server's own, which hear of its
/// answers as of others. It answers only when nothing is under way on the connection, so that no answer overtakes another,
/// and when the client has taken what was written before: else Hummingbird waits for it, and takes no further request.
final class PromptAnswerHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let answers: PromptAnswers
    /// Requests passed on and not answered to the end.
    private var underWay = 0
    /// Its end decides what becomes of it. That comes right behind, as it has no body.
    private var held: HTTPRequest?
    private var isFlushed = true

    init(_ answers: PromptAnswers) { self.answers = answers }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let request):
            if underWay == 0, context.channel.isWritable, answers.mayAnswer(request) {
                held = request
                return
            }
            underWay += 1
        case .body: passOn(context)
        case .end:
            if let request = held, let answer = answers.answer(request) {
                held = nil
                return write(answer, context)
            }
            passOn(context)
        }
        context.fireChannelRead(data)
    }

    private func passOn(_ context: ChannelHandlerContext) {
        guard let request = held.take() else { return }
        underWay += 1
        context.fireChannelRead(wrapInboundOut(.head(request)))
    }

    private func write(_ answer: PromptAnswer, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
        if let body = answer.body { context.write(wrapOutboundOut(.body(body)), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        isFlushed = false
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !isFlushed {
            isFlushed = true
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { underWay -= 1 }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // To Hummingbird, a client that sends no more and has nothing under way is gone; but it may still be reading.
        guard underWay == 0, case ChannelEvent.inputClosed = event,
            let encoder = try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
        else { return context.fireUserInboundEventTriggered(event) }
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            bound.value.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        encoder.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
    }
}

/// Hummingbird's HTTP/1.1, with the handlers that have a place of their own: an ``OldVersionHandler`` before its codec, and a
/// ``PromptAnswerHandler`` in front of its requests.
struct PromptChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let base: HTTP1Channel
    /// Nil for none.
    let answers: PromptAnswers?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
            try pipeline.addHandler(OldVersionHandler(), position: .before(codec))
            guard let answers else { return value }
            let state = try pipeline.handler(type: HTTPConnectionStateHandler.self)
            try pipeline.addHandler(PromptAnswerHandler(answers), position: .after(state))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
