import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers `Expect: 100-continue` (RFC 9110, 10.1.1), which Hummingbird does not: without it curl waits a second before it
/// sends an archive. An upload that is too large by its own word, or that its sender may not make, is not asked to continue;
/// it is refused by its route, or before.
final class ExpectContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limit: Int
    private let admits: @Sendable (HTTPRequest) -> Bool
    /// Requests read and not answered to the end. With earlier ones there, an answer may be under way, and a 100 would
    /// stand in the middle of it.
    private var unanswered = 0
    private var isAwaited = false

    /// - Parameters:
    ///   - limit: bytes that an upload may have.
    ///   - admits: whether a request's sender may make it.
    init(limit: Int, admits: @escaping @Sendable (HTTPRequest) -> Bool) {
        self.limit = limit
        self.admits = admits
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            unanswered += 1
            isAwaited =
                head.headerFields[.expect]?.lowercased() == "100-continue"
                && (head.headerFields[.contentLength].flatMap { Int($0) } ?? 0) <= limit && admits(head)
            continueIfAwaited(context)
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(data, promise: promise)
        guard case .end = unwrapOutboundIn(data) else { return }
        unanswered -= 1
        if unanswered == 0 { isAwaited = false }
        continueIfAwaited(context)
    }

    private func continueIfAwaited(_ context: ChannelHandlerContext) {
        guard isAwaited, unanswered == 1 else { return }
        isAwaited = false
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }
}
