internal import Dispatch
internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
public import KernelHeaders
internal import Synchronization

/// A server that answers as a test says: what the real one is never asked to do.
///
/// On a free port of 127.0.0.1, one request a connection, each on a thread of its own. It shares no code with the real one.
public final class StandInServer: Sendable {
    /// A request as it came.
    public struct Request: Sendable {
        public let method: String
        /// Path and query.
        public let target: String
        /// Names in lower case.
        public let fields: [String: String]
        public let body: [UInt8]
    }

    /// What it answers.
    public struct Answer: Sendable {
        public var status: Int
        public var fields: [(String, String)]
        public var body: [UInt8]

        public init(_ status: Int, _ body: [UInt8] = [], fields: [(String, String)] = []) {
            self.status = status
            self.body = body
            self.fields = fields
        }

        public static func json(_ document: some Encodable, status: Int = 200, fields: [(String, String)] = [])
            -> Answer
        {
            let body = (try? JSONEncoder().encode(document)).map { Array($0) } ?? []
            return Answer(status, body, fields: [("Content-Type", "application/json")] + fields)
        }

        public static func problem(_ code: ProblemCode, _ detail: String) -> Answer {
            let body = (try? JSONEncoder().encode(Problem(code, detail))).map { Array($0) } ?? []
            return Answer(code.status, body, fields: [("Content-Type", Problem.mediaType)])
        }

        /// To another server, for all that this one is not about.
        public static func redirect(_ url: String) -> Answer { Answer(307, fields: [("Location", url)]) }
    }

    public typealias Handler = @Sendable (Request) -> Answer

    public let port: Int
    private let listener: CInt
    private let handler: Handler
    private let requests = Mutex<[Request]>([])

    public var url: String { "http://127.0.0.1:\(port)" }
    /// What was asked so far.
    public var seen: [Request] { requests.withLock { $0 } }

    public init(_ handler: @escaping Handler) throws {
        self.handler = handler
        listener = try SystemCallError.check("socket", nil) {
            socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = try SystemCallError.check("bind", nil) { bind(listener, pointer, length) }
                _ = try SystemCallError.check("getsockname", nil) { getsockname(listener, pointer, &length) }
            }
        }
        try SystemCallError.check("listen", nil) { listen(listener, 64) }
        port = Int(UInt16(bigEndian: address.sin_port))
        DispatchQueue(label: "stand-in server").async { [self] in serve() }
    }

    /// Ends its thread, which holds on to the server.
    public func stop() { shutdown(listener, CInt(SHUT_RDWR)) }

    deinit { close(listener) }

    private func serve() {
        while case let connection = accept(listener, nil, nil), connection >= 0 {
            DispatchQueue(label: "stand-in connection").async { [self] in
                if let request = Self.readRequest(connection) {
                    requests.withLock { $0.append(request) }
                    Self.send(connection, handler(request), to: request)
                }
                close(connection)
            }
        }
    }

    private static func readRequest(_ connection: CInt) -> Request? {
        var bytes: [UInt8] = []
        let mark: [UInt8] = [13, 10, 13, 10]
        while true {
            if let end = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }) {
                let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
                let words = lines.first?.split(separator: " ") ?? []
                guard words.count == 3 else { return nil }
                var fields: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    if parts.count == 2 { fields[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
                }
                if fields["expect"] != nil { send(connection, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
                let length = fields["content-length"].flatMap { Int($0) } ?? 0
                var body = Array(bytes[(end + 4)...])
                while body.count < length, let more = receive(connection) { body += more }
                return Request(method: String(words[0]), target: String(words[1]), fields: fields, body: body)
            }
            guard bytes.count < 1 << 16, let more = receive(connection) else { return nil }
            bytes += more
        }
    }

    private static func receive(_ connection: CInt) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(connection, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    private static func send(_ connection: CInt, _ answer: Answer, to request: Request) {
        let fields = answer.fields + [("Content-Length", "\(answer.body.count)"), ("Connection", "close")]
        let head = "HTTP/1.1 \(answer.status) X\r\n" + fields.map { "\($0.0): \($0.1)\r\n" }.joined() + "\r\n"
        send(connection, Array(head.utf8) + (request.method == "HEAD" ? [] : answer.body))
    }

    private static func send(_ connection: CInt, _ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// Runs a test's body against a stand-in, which is stopped afterwards.
public func withStandIn<Value>(
    isolation: isolated (any Actor)? = #isolation, _ handler: @escaping StandInServer.Handler,
    _ body: (StandInServer) async throws -> Value
) async throws -> Value {
    let server = try StandInServer(handler)
    defer { server.stop() }
    return try await body(server)
}
