internal import CCurl
internal import Synchronization

/// Connections to servers, kept from one request to the next: a new one costs a round trip, with TLS three and some
/// milliseconds of CPU on either side.
///
/// A multi handle of libcurl's keeps the connections of what it has transferred, and finds out itself which of them the
/// server has closed by now. A transfer has one for itself. At the end all are closed.
final class CurlConnections: Sendable {
    /// The most handles kept while nobody needs them; each has a connection or two.
    static let maximumIdle = 64

    /// A multi handle may be used from any thread, by one at a time.
    struct Handle: @unchecked Sendable {
        let multi: UnsafeMutableRawPointer
        fileprivate let server: String
    }

    private let idle = Mutex<[Handle]>([])

    deinit { idle.withLock { for handle in $0 { curl_multi_cleanup(handle.multi) } } }

    /// A handle, if possible one with a connection to the server, the one that was used last.
    ///
    /// `CurlLibrary` must have been started.
    func take(for server: ServerAddress) -> Handle {
        let kept = idle.withLock { idle in
            idle.lastIndex { $0.server == server.description }.map { idle.remove(at: $0) }
        }
        if let kept { return kept }
        guard let multi = curl_multi_init() else { preconditionFailure("libcurl has no memory for a handle") }
        return Handle(multi: multi, server: server.description)
    }

    /// Takes back a handle that no transfer is in any more. Of too many, the one that nobody wanted for the longest time is
    /// closed.
    func keep(_ handle: Handle) {
        let surplus = idle.withLock { idle in
            idle.append(handle)
            return idle.count > Self.maximumIdle ? idle.removeFirst() : nil
        }
        if let surplus { curl_multi_cleanup(surplus.multi) }
    }
}
