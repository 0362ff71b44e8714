import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Keeps the word that `Connection: close` in an answer is (RFC 9112, 9.6), which Hummingbird does not: no further request
/// is taken, and the connection ends.
///
/// It ends when the request was read to its end, and what still comes of it is dropped: closing at once would reset the
/// connection, and a client that is busy sending would lose the answer. One that never ends is cut off by Hummingbird's
/// idle timeout, which hears nothing of what is dropped here.
final class ConnectionCloseHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var requestIsWhole = true
    private var answerCloses = false
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: requestIsWhole = false
        case .body: break
        case .end: requestIsWhole = true
        }
        guard isClosing else { return context.fireChannelRead(data) }
        if requestIsWhole { context.close(promise: nil) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status.kind != .informational:
            answerCloses = head.headerFields[.connection]?.lowercased() == "close"
        case .end where answerCloses:
            isClosing = true
            return end(context, with: data, promise)
        default: break
        }
        context.write(data, promise: promise)
    }

    private func end(_ context: ChannelHandlerContext, with data: NIOAny, _ promise: EventLoopPromise<Void>?) {
        let written = promise ?? context.eventLoop.makePromise()
        if requestIsWhole {
            let context = NIOLoopBound(context, eventLoop: context.eventLoop)
            written.futureResult.whenComplete { _ in context.value.close(promise: nil) }
        }
        context.writeAndFlush(data, promise: written)
    }
}
