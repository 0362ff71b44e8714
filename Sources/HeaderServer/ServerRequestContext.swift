public import Hummingbird
import NIOCore
import Synchronization

/// A request's context: Hummingbird's own, and the connection it came through, for `sendfile(2)`.
public struct ServerRequestContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    let channel: any Channel
    let visitor = Visitor()

    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// Who asks: found out further in than it is logged.
    final class Visitor: Sendable {
        private let id = Mutex<String?>(nil)

        /// The ID of the token that the request came with.
        var token: String? {
            get { id.withLock { $0 } }
            set { id.withLock { $0 = newValue } }
        }
    }
}
