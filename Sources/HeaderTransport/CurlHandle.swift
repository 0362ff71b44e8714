internal import CCurl
internal import Glibc

/// A libcurl easy handle, set up for one request. Owns what the options point to.
final class CurlHandle {
    let easy: UnsafeMutableRawPointer
    private var list: UnsafeMutablePointer<curl_slist>?
    private let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private let server: ServerAddress
    static let maximumRedirects = 6
    /// Bytes taken from the network, or given to it, at a time; curl's own 16 and 64 KiB cost more system calls.
    private static let bufferSize = 1 << 17

    /// - Throws: ``TransportError`` if this libcurl lacks an option.
    init(_ request: CurlRequest, to server: ServerAddress, userAgent: String, timeouts: TransferTimeouts) throws {
        try CurlLibrary.start()
        guard let easy = curl_easy_init() else { preconditionFailure("libcurl has no memory for a handle") }
        self.easy = easy
        self.server = server
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try check(khd_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, message))
        try set(CURLOPT_URL, server.url(request.path))
        try set(CURLOPT_USERAGENT, userAgent)
        try setConnection(seconds: request.seconds, timeouts)
        try setBounds()
        try set(fields: request.fields)
        if let token = request.token { try set(token) }
        try set(request.method, request.body)
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(list)
        message.deallocate()
    }

    func set(_ option: CURLoption, _ value: String) throws { try check(khd_curl_set_string(easy, option, value)) }

    func set(_ option: CURLoption, _ value: Int) throws { try check(khd_curl_set_long(easy, option, value)) }

    /// What went wrong, in curl's words.
    func reason(_ code: CURLcode) -> String {
        let text = String(cString: message)
        return text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
    }

    private func setConnection(seconds: Int?, _ timeouts: TransferTimeouts) throws {
        // curl's own signals would be the whole process's.
        try set(CURLOPT_NOSIGNAL, 1)
        khd_curl_set_quick_exit(easy)
        try set(CURLOPT_CONNECTTIMEOUT, timeouts.connect)
        try set(CURLOPT_LOW_SPEED_LIMIT, TransferTimeouts.lowestSpeed)
        try set(CURLOPT_LOW_SPEED_TIME, timeouts.silence)
        try set(CURLOPT_BUFFERSIZE, Self.bufferSize)
        if let seconds { try set(CURLOPT_TIMEOUT, seconds) }
        if let path = server.socketPath { try set(CURLOPT_UNIX_SOCKET_PATH, path) }
        if server.isLocal { try set(CURLOPT_PROXY, "") }
        try set(CURLOPT_NETRC, Int(CURL_NETRC_OPTIONAL.rawValue))
        // The curl command has these from the environment, the library has not.
        if let file = Self.environment("CURL_CA_BUNDLE") {
            try set(CURLOPT_CAINFO, file)
        } else {
            if let folder = Self.environment("SSL_CERT_DIR") { try set(CURLOPT_CAPATH, folder) }
            if let file = Self.environment("SSL_CERT_FILE") { try set(CURLOPT_CAINFO, file) }
        }
    }

    private func setBounds() throws {
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        // A redirect must not lead from a checked connection to an unchecked one.
        try set(CURLOPT_REDIR_PROTOCOLS_STR, server.base.hasPrefix("https:") ? "https" : "http,https")
        try set(CURLOPT_FOLLOWLOCATION, 1)
        try set(CURLOPT_MAXREDIRS, Self.maximumRedirects)
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    }

    private func set(_ method: CurlRequest.Method, _ body: CurlRequest.Body) throws {
        let ownMethod: CurlRequest.Method
        switch body {
        case .none:
            ownMethod = method == .head ? .head : .get
            if method == .head { try set(CURLOPT_NOBODY, 1) }
        case .document(var bytes):
            ownMethod = .post
            try set(CURLOPT_POST, 1)
            // A redirect must not lose the body.
            try set(CURLOPT_POSTREDIR, khd_curl_redirect_post_all)
            try check(khd_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
            // Without a pointer curl would ask for the body instead.
            if bytes.isEmpty { bytes = [0] }
            try bytes.withUnsafeMutableBytes {
                try check(khd_curl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress))
            }
        case .file(let file, let offset):
            ownMethod = .put
            try set(CURLOPT_UPLOAD, 1)
            try set(CURLOPT_UPLOAD_BUFFERSIZE, Self.bufferSize)
            try check(khd_curl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(file.size - offset)))
        }
        if method != ownMethod { try set(CURLOPT_CUSTOMREQUEST, method.rawValue) }
    }

    /// Not as a header field, which curl would send along with a redirect to another host.
    private func set(_ token: AccessToken) throws {
        try set(CURLOPT_HTTPAUTH, khd_curl_auth_bearer)
        try set(CURLOPT_XOAUTH2_BEARER, token.secret)
    }

    private func set(fields: [(name: String, value: String)]) throws {
        guard !fields.isEmpty else { return }
        for field in fields {
            guard let longer = curl_slist_append(list, "\(field.name): \(field.value)") else {
                preconditionFailure("libcurl has no memory for a header field")
            }
            list = longer
        }
        try check(khd_curl_set_list(easy, CURLOPT_HTTPHEADER, list))
    }

    private func check(_ code: CURLcode) throws {
        guard code != CURLE_OK else { return }
        throw TransportError.unreachable(server: "\(server)", reason: reason(code), isTransient: false)
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
