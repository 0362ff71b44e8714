public import Hummingbird
import NIOCore

/// A request's context: Hummingbird's own, and the connection it came through, for `sendfile(2)`.
public struct ServerRequestContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    let channel: any Channel

    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
