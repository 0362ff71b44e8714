import Glibc
import Hummingbird

/// Where a server listens: `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
public enum ListenAddress: Equatable, Sendable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// 127.0.0.1:8003; debuginfod has 8002.
    public static let standard = ListenAddress.tcp(host: "127.0.0.1", port: 8003)

    /// What the kernel takes of a socket's path (unix(7)), in bytes.
    static let maximumPathLength = 107

    /// Nil for anything else, and for a path that is too long. Port 0 takes a free one.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = text.dropFirst(5)
            guard (1...Self.maximumPathLength).contains(path.utf8.count) else { return nil }
            self = .unix(path: String(path))
            return
        }
        guard let colon = text.lastIndex(of: ":"), case let digits = text[text.index(after: colon)...],
            digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self = .tcp(host: String(host), port: Int(port))
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Whether only this host can reach it: a socket, or a host all of whose addresses are loopback's. A name is looked
    /// up, as it is to listen there.
    ///
    /// - Returns: false as well if it can't be told.
    /// - Throws: ``ListenError`` for a name that has no address.
    func isLocal() throws -> Bool {
        guard case .tcp(let host, _) = self else { return true }
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let answer = getaddrinfo(host, nil, &hints, &found)
        guard answer == 0 else {
            throw ListenError(self, "the name \(host) has no address here, \(String(cString: gai_strerror(answer)))")
        }
        let first = found
        defer { freeaddrinfo(first) }
        while let entry = found {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let address = entry.pointee
            guard
                getnameinfo(address.ai_addr, address.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                    == 0
            else { return false }
            // 127.0.0.0/8, ::1, and the former mapped into IPv6; in the C library's one way to write each of them.
            let numeric = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard numeric == "::1" || numeric.hasPrefix("127.") || numeric.hasPrefix("::ffff:127.") else {
                return false
            }
            found = address.ai_next
        }
        return true
    }

    var bindAddress: BindAddress {
        switch self {
        case .tcp(let host, let port): .hostname(host, port: port)
        case .unix(let path): .unixDomainSocket(path: path)
        }
    }
}
