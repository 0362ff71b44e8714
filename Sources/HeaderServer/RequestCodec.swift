import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Between HTTP/1.1's messages and those that Hummingbird takes: `HTTP1ToHTTPServerCodec`, in whose place it stands, but for
/// two things.
///
/// A client of HTTP/1.0, which knows no chunks, asks for the digest, so that it gets nothing whose length is not known: it
/// would take the end of a broken connection for the end of the file. nginx, for one, asks so unless it is told otherwise.
/// Behind this handler nobody knows the version any more.
///
/// And a path is taken as it is: to look for a scheme in what begins with a slash costs a small answer's request some
/// hundredths.
final class RequestCodec: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// What came since ``forget()``.
    private enum Seen {
        case nothing
        /// Of one request, of HTTP/1.1.
        case head, whole
        case more
    }

    private var seen = Seen.nothing

    /// Whether it is one request of HTTP/1.1, from its beginning to its end, and nothing of any other.
    var sawOneRequest: Bool { seen == .whole }

    func forget() { seen = .nothing }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            seen = seen == .nothing && head.version == .http1_1 ? .head : .more
            do {
                context.fireChannelRead(wrapInboundOut(.head(try Self.request(head))))
            } catch {
                context.fireErrorCaught(error)
            }
        case .body(let body): context.fireChannelRead(wrapInboundOut(.body(body)))
        case .end(let trailers):
            seen = seen == .head ? .whole : .more
            context.fireChannelRead(wrapInboundOut(.end(trailers.map { HTTPFields($0, splitCookie: false) })))
        }
    }

    static func request(_ head: HTTPRequestHead) throws -> HTTPRequest {
        var request =
            head.uri.utf8.first == UInt8(ascii: "/")
            ? HTTPRequest(
                method: try HTTPRequest.Method(head.method), scheme: "http", authority: head.headers["Host"].first,
                path: head.uri, headerFields: HTTPFields(head.headers, splitCookie: false))
            : try HTTPRequest(head, secure: false, splitCookie: false)
        if head.version != .http1_1 {
            request.headerFields.append(HTTPField(name: .wantReprDigest, value: "sha-256=10"))
        }
        return request
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part: OutboundOut =
            switch unwrapOutboundIn(data) {
            case .head(let response): .head(HTTPResponseHead(response))
            case .body(let body): .body(.byteBuffer(body))
            case .end(let trailers): .end(trailers.map(HTTPHeaders.init))
            }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}
