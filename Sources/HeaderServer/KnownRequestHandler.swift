import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// In front of the decoder of HTTP/1.1: takes past it requests that came before in the same bytes (``KnownRequests``). All
/// handlers behind the codec see what they would see.
///
/// It has to be sure that the decoder has begun nothing, and a request is one read, as clients send small ones; of all else
/// the decoder makes what it makes.
final class KnownRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let requests: KnownRequests
    private let codec: RequestCodec
    private let answering: PromptAnswerHandler
    private var codecContext: ChannelHandlerContext?
    /// Whether the next byte begins a request, for sure.
    private var isBetweenRequests = true

    /// - Parameters:
    ///   - codec: behind the decoder, in the same pipeline.
    ///   - answering: behind the codec, in the same pipeline.
    init(_ requests: KnownRequests, codec: RequestCodec, answering: PromptAnswerHandler) {
        self.requests = requests
        self.codec = codec
        self.answering = answering
    }

    func handlerAdded(context: ChannelHandlerContext) {
        codecContext = try? context.pipeline.syncOperations.context(handler: codec)
    }

    func handlerRemoved(context: ChannelHandlerContext) { codecContext = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if isBetweenRequests, let codecContext, let (known, body) = requests.find(bytes) {
            answering.expected = known
            codecContext.fireChannelRead(NIOAny(HTTPRequestPart.head(known.request)))
            answering.expected = nil
            if body.readableBytes > 0 { codecContext.fireChannelRead(NIOAny(HTTPRequestPart.body(body))) }
            return codecContext.fireChannelRead(NIOAny(HTTPRequestPart.end(nil)))
        }
        let wasBetweenRequests = isBetweenRequests
        // As long as the decoder has begun something.
        isBetweenRequests = false
        codec.forget()
        context.fireChannelRead(data)
        if let asked = answering.asked.take(), codec.sawOneRequest {
            isBetweenRequests = requests.learn(bytes, asked, mayBegin: wasBetweenRequests)
        }
    }
}
