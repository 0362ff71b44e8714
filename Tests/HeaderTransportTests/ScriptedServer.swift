import Dispatch
import Glibc
import HeaderArchive
import KHeaderTestSupport
import Synchronization

@testable import HeaderTransport

/// A server that answers connections one after the other, each with the next of the bytes it was given, and closes.
///
/// It listens on a Unix socket: no port to choose, no network. It shares no code with the real server.
final class ScriptedServer: Sendable {
    /// A request as it came.
    struct Request: Sendable {
        var head: String
        var body: [UInt8]
    }

    let address: ServerAddress
    private let listener: CInt
    private let requests = Mutex<[Request]>([])

    /// - Parameters:
    ///   - answers: raw bytes, status line included; after the last one, connections are closed without any.
    ///   - onRequest: is called with each request; when it answers false, the server keeps silent until the client
    ///     leaves.
    init(
        in folder: TemporaryFolder, _ answers: [[UInt8]], name: String = "socket", drips: Bool = false,
        onRequest: @escaping @Sendable () -> Bool = { true }
    ) throws {
        let path = folder.path(name)
        address = try ServerAddress("unix:\(path)")
        let listener = try SystemCallError.check("socket", nil) { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
        self.listener = listener
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        try withUnsafePointer(to: &name) { pointer in
            _ = try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try SystemCallError.check("bind", path) { bind(listener, pointer, length) }
            }
        }
        try SystemCallError.check("listen", path) { listen(listener, 16) }
        DispatchQueue(label: "scripted server").async { [self] in serve(answers, drips, onRequest) }
    }

    /// Sends a head, and then a byte each tenth of a second until the client leaves, again and again.
    convenience init(in folder: TemporaryFolder, dripping head: [UInt8]) throws {
        try self.init(in: folder, [[UInt8]](repeating: head, count: 100), drips: true)
    }

    convenience init(in folder: TemporaryFolder, _ answers: String..., name: String = "socket") throws {
        try self.init(in: folder, answers.map { Array($0.utf8) }, name: name)
    }

    deinit { close(listener) }

    /// What was asked so far.
    var seen: [Request] { requests.withLock { $0 } }

    /// Makes the server's thread end, which holds on to the server.
    func stop() { shutdown(listener, CInt(SHUT_RDWR)) }

    private func serve(_ answers: [[UInt8]], _ drips: Bool, _ onRequest: () -> Bool) {
        var answers = answers[...]
        while case let connection = accept(listener, nil, nil), connection >= 0 {
            if let request = Self.readRequest(connection) { requests.withLock { $0.append(request) } }
            if !onRequest() {
                var byte: UInt8 = 0
                recv(connection, &byte, 1, 0)
            } else if let answer = answers.popFirst() {
                Self.send(connection, answer)
                if drips { Self.drip(connection) }
            }
            close(connection)
        }
    }

    private static func readRequest(_ connection: CInt) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var bodyStart: Int?
        var length = 0
        while bodyStart.map({ bytes.count - $0 < length }) ?? true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
            guard bodyStart == nil, let end = endOfHead(bytes) else { continue }
            bodyStart = end
            let lines = String(decoding: bytes[..<end], as: UTF8.self).lowercased().split(separator: "\r\n")
            length = lines.first { $0.hasPrefix("content-length:") }.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
            if lines.contains("expect: 100-continue") { send(connection, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
        }
        guard let bodyStart else { return nil }
        return Request(
            head: String(decoding: bytes[..<bodyStart], as: UTF8.self), body: Array(bytes[bodyStart...]))
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        let mark: [UInt8] = [13, 10, 13, 10]
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first { bytes[$0..<$0 + 4].elementsEqual(mark) }.map { $0 + 4 }
    }

    private static func drip(_ connection: CInt) {
        var event = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        var byte: UInt8 = 0
        while poll(&event, 1, 100) == 0, Glibc.send(connection, &byte, 1, CInt(MSG_NOSIGNAL)) == 1 {}
    }

    private static func send(_ connection: CInt, _ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

extension String {
    /// A response with a body.
    static func response(_ status: Int, _ body: String = "", type: String = "application/json", fields: String = "")
        -> String
    {
        // Without "close" curl would send its next request here, and find the connection gone.
        "HTTP/1.1 \(status) X\r\nConnection: close\r\nContent-Type: \(type)\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
    }
}
