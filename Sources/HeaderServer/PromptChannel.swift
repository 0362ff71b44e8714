import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Hummingbird's HTTP/1.1, with the handlers that have a place of their own: a ``RequestCodec`` instead of its codec, a
/// ``KnownRequestHandler`` in front of the decoder, and a ``PromptAnswerHandler`` in front of its requests, behind which are
/// those that its answers are nothing for.
struct PromptChannel: ServerChildChannel {
    typealias Value = AcceptedConnection

    let base: HTTP1Channel
    /// Nil for no answers at once.
    let requests: KnownRequests?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let connection = AcceptedConnection(value)
            let pipeline = channel.pipeline.syncOperations
            let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
            let own = RequestCodec()
            try pipeline.addHandler(own, position: .before(codec))
            pipeline.removeHandler(codec, promise: nil)
            let state = try pipeline.handler(type: HTTPConnectionStateHandler.self)
            try pipeline.addHandlers([MalformedRequestHandler(), ExpectContinueHandler()], position: .after(state))
            if let requests {
                let answering = PromptAnswerHandler(requests.answers)
                try pipeline.addHandler(answering, position: .after(state))
                let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
                try pipeline.addHandler(
                    KnownRequestHandler(requests, codec: own, answering: answering), position: .before(decoder))
            }
            return connection
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value.takeUp(), logger: logger) }
}
