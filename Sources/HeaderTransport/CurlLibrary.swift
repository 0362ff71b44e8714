internal import CCurl
internal import Glibc

/// What libcurl needs once a process.
enum CurlLibrary {
    /// There is no libcurl on this host.
    struct Missing: Error, CustomStringConvertible {
        let reason: String

        var description: String {
            "libcurl, which speaks with servers, can't be used: \(reason). On Debian the package libcurl4 has it. "
                + "(libcurl-missing)"
        }
    }

    /// Loads and initialises libcurl, and ignores SIGPIPE from then on.
    ///
    /// curl would block SIGPIPE around each of its calls and unblock it afterwards; with several transfers in a
    /// process, one call would unblock it under another's feet. A write to a closed pipe answers EPIPE instead.
    ///
    /// - Throws: ``Missing``.
    static func start() throws { if let missing { throw missing } }

    private static let missing: Missing? = {
        if let reason = khd_curl_load() { return Missing(reason: String(cString: reason)) }
        signal(SIGPIPE, SIG_IGN)
        guard curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK else { return Missing(reason: "it does not start") }
        return nil
    }()

    /// Whether trying again may help: the network failed, and not what was asked for. A server that was silent for as long
    /// as anyone waits for it is not asked again.
    static func isTransient(_ code: CURLcode) -> Bool {
        switch code {
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_GOT_NOTHING,
            CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_SSL_CONNECT_ERROR,
            CURLE_HTTP2, CURLE_HTTP2_STREAM:
            true
        default: false
        }
    }
}
