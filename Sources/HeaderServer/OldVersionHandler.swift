import NIOCore
import NIOHTTP1

/// Has a client of HTTP/1.0, which knows no chunks, ask for the digest, so that it gets nothing whose length is not known:
/// it would take the end of a broken connection for the end of the file. nginx, for one, asks so unless it is told otherwise.
///
/// It stands before Hummingbird's codec, behind which nobody knows the version any more.
final class OldVersionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data), head.version != .http1_1 else {
            return context.fireChannelRead(data)
        }
        head.headers.add(name: "Want-Repr-Digest", value: "sha-256=10")
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }
}
