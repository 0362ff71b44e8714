internal import CCurl
internal import KernelHeaders

/// Where a server is: `http://host:port`, `https://host/base/path`, or `unix:/path/to/socket`.
public struct ServerAddress: Sendable, Equatable, CustomStringConvertible {
    /// Where a server listens that was told nothing else.
    public static let standard = "http://127.0.0.1:8003"
    /// The variable that has servers when no option does; separated by spaces, as in debuginfod's variable.
    public static let variable = "KHEADER_URLS"
    /// The longest path of a Unix socket, in bytes (`sun_path`, less its NUL).
    static let maximumSocketPath = 107

    /// The URL without a slash at its end; of a Unix socket, one that only gives HTTP its `Host`.
    let base: String
    let socketPath: String?
    /// Whether the server is on this very host. A proxy would look for it on its own.
    let isLocal: Bool
    /// As it was written.
    public let description: String

    /// - Throws: `Problem` with `parameter-malformed`.
    public init(_ text: String) throws {
        description = text
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count <= Self.maximumSocketPath else {
                throw Problem(
                    .parameterMalformed,
                    "'\(text)' is not a server: write unix: and the socket's absolute path, "
                        + "at most \(Self.maximumSocketPath) bytes."
                )
            }
            base = "http://localhost"
            socketPath = path
            isLocal = true
        } else {
            (base, isLocal) = try Self.parse(text)
            socketPath = nil
        }
    }

    /// The servers that a command shall ask, in this order.
    ///
    /// - Parameters:
    ///   - options: those of `--server`; if there is one, the variable does not count.
    ///   - variable: what ``variable`` holds; nil or blank for ``standard``.
    /// - Throws: `Problem` with `parameter-malformed`.
    public static func list(options: [String], variable: String?) throws -> [ServerAddress] {
        let named = options.isEmpty ? (variable ?? "").split(separator: " ").map { String($0) } : options
        return try (named.isEmpty ? [standard] : named).map { try ServerAddress($0) }
    }

    /// Whether what is sent to the server leaves this host, and not through TLS.
    var isReadableOnTheWay: Bool { !isLocal && !base.lowercased().hasPrefix("https:") }

    /// - Parameter path: with a slash in front, percent-encoding done, a query included.
    func url(_ path: String) -> String { base + path }

    // By curl's own parser, so that what was looked at here is what curl will connect to.
    private static func parse(_ text: String) throws -> (base: String, isLocal: Bool) {
        try CurlLibrary.start()
        let parsed = curl_url()
        defer { curl_url_cleanup(parsed) }
        guard curl_url_set(parsed, CURLUPART_URL, text, 0) == CURLUE_OK,
            let scheme = part(CURLUPART_SCHEME, of: parsed), ["http", "https"].contains(scheme),
            let host = part(CURLUPART_HOST, of: parsed), !host.isEmpty
        else {
            throw Problem(
                .parameterMalformed,
                "'\(text)' is not a server: write http://host:port, https://host or unix:/path/to/socket.")
        }
        // A URL is printed and logged; curl takes names and passwords from ~/.netrc.
        guard part(CURLUPART_USER, of: parsed) == nil, part(CURLUPART_PASSWORD, of: parsed) == nil else {
            throw Problem(.parameterMalformed, "A server's URL has no user or password: put them into ~/.netrc.")
        }
        guard part(CURLUPART_QUERY, of: parsed) == nil, part(CURLUPART_FRAGMENT, of: parsed) == nil else {
            throw Problem(.parameterMalformed, "'\(text)' is not a server: its URL ends in a query or fragment.")
        }
        var base = part(CURLUPART_URL, of: parsed) ?? text
        while base.utf8.last == UInt8(ascii: "/") { base.removeLast() }
        let isLocal = host == "localhost" || host == "[::1]" || host.hasPrefix("127.")
        return (base, isLocal)
    }

    private static func part(_ part: CURLUPart, of url: OpaquePointer?) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard khd_curl_url_get(url, part, &text, 0) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
