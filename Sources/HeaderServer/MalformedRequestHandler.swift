import HTTPTypes
import KernelHeaders
import NIOCore
import NIOHTTPTypes

/// Makes a problem document of the answer that Hummingbird gives, without a body, to what is no HTTP: no request comes of
/// it that could reach ``ProblemMiddleware``.
final class MalformedRequestHandler: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // Whatever was answered by a route has a request ID.
        guard case .head(var head) = unwrapOutboundIn(data), head.status == .badRequest,
            head.headerFields[.requestID] == nil,
            let body = try? JSON.encode(
                Problem(.requestMalformed, "This is not an HTTP/1.1 request, or its header is over 80 kB."))
        else { return context.write(data, promise: promise) }
        head.headerFields[.contentType] = Problem.mediaType
        head.headerFields[.cacheControl] = "no-store"
        head.headerFields[.contentLength] = String(body.count)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: body))), promise: promise)
    }
}
