internal import Dispatch
internal import Glibc
internal import HeaderArchive
internal import Synchronization

/// A connection to a server on this machine, written and read as bytes: nothing is added, normalised or tried again, so
/// tests see, and may send, what libraries hide.
///
/// Blocking calls on threads of its own; Swift's few threads stay free for the server under test.
public final class HTTPConnection: Sendable {
    /// Far more than any answer takes: a test of a server that hangs has to end.
    private static let patience = timeval(tv_sec: 60, tv_usec: 0)

    private let descriptor: CInt
    private let isOpen = Mutex(true)
    private let sending = DispatchQueue(label: "HTTPConnection.send")
    private let receiving = DispatchQueue(label: "HTTPConnection.receive")
    /// What has arrived and belongs to no answer yet.
    private let pending = Mutex<[UInt8]>([])

    /// - Parameter port: on 127.0.0.1.
    public init(port: Int) throws {
        let descriptor = try SystemCallError.check("socket", nil) {
            socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        self.descriptor = descriptor
        var patience = Self.patience
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try SystemCallError.check("connect", "127.0.0.1:\(port)") {
                    connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    deinit { close() }

    /// Ends both directions.
    public func close() {
        isOpen.withLock { isOpen in
            if isOpen { Glibc.close(descriptor) }
            isOpen = false
        }
    }

    /// Ends both directions as a machine does that was switched off: with a reset.
    public func abort() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Says that no more will be sent; answers can still be read.
    public func endSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// Sends bytes as they are.
    ///
    /// - Returns: false if the server has closed the connection before it took them all.
    @discardableResult
    public func send(_ bytes: [UInt8]) async -> Bool {
        await withCheckedContinuation { continuation in
            sending.async { [self] in continuation.resume(returning: sendNow(bytes)) }
        }
    }

    @discardableResult
    public func send(_ text: String) async -> Bool { await send(Array(text.utf8)) }

    private func sendNow(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// The next answer, interim ones (1xx) included.
    ///
    /// - Parameter isToHead: the request's method was HEAD, so that there is no body whatever the fields say.
    /// - Throws: ``HTTPAnswer/Malformed`` if what comes is none, or breaks off.
    public func answer(toHead isToHead: Bool = false) async throws -> HTTPAnswer {
        try await receive { reader in try HTTPAnswer(from: &reader, isToHead: isToHead) }
    }

    /// The next bytes, which stay where they are for the answer that they begin.
    public func beginning(_ count: Int) async throws -> [UInt8] {
        try await receive { reader in
            let bytes = try reader.read(count)
            reader.pending = bytes + reader.pending
            return bytes
        }
    }

    /// All that comes until the server closes the connection.
    public func rest() async throws -> [UInt8] {
        try await receive { reader in try reader.readToEnd() }
    }

    private func receive<Value: Sendable>(
        _ body: @escaping @Sendable (inout HTTPAnswerReader) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            receiving.async { [self] in
                var reader = HTTPAnswerReader(descriptor: descriptor, pending: pending.withLock { $0 })
                continuation.resume(with: Result { try body(&reader) })
                pending.withLock { $0 = reader.pending }
            }
        }
    }
}
