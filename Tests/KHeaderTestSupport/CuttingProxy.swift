internal import Glibc
internal import HeaderArchive
internal import Synchronization

/// A TCP proxy on 127.0.0.1 that counts what passes, and cuts connections in the middle of it.
public final class CuttingProxy: Sendable {
    /// When a connection is cut; bytes of this connection.
    public enum Cut: Sendable, Equatable {
        case never
        /// As soon as so many bytes have gone to the server, and not one more. The client's end is reset when the server has
        /// taken them all in and closed its end.
        case afterSending(Int)
        /// The same, but the server's end stays open as long as the proxy, and nothing comes through it.
        case halfDeadAfterSending(Int)
        /// As soon as so many bytes have come back from the server: reset both ways.
        case afterReceiving(Int)
    }

    /// What passed in a connection.
    public struct Connection: Sendable {
        /// To the server.
        public var sent: [UInt8] = []
        /// From the server.
        public var received: [UInt8] = []
    }

    /// Of the proxy.
    public let port: Int
    private let target: Mutex<Int>
    private let listener: CInt
    private let cuts: Mutex<[Cut]>
    private let halfDead = Mutex<[CInt]>([])
    private let passed = Mutex<[Connection]>([])

    /// - Parameters:
    ///   - target: the server's port on 127.0.0.1.
    ///   - cuts: one a connection, in their order; those after them are not cut.
    public init(to target: Int, cuts: [Cut] = []) throws {
        self.target = Mutex(target)
        self.cuts = Mutex(cuts)
        let listener = try SystemCallError.check("socket", nil) {
            socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        self.listener = listener
        var address = Self.address(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try SystemCallError.check("bind", nil) { bind(listener, pointer, length) }
                try SystemCallError.check("getsockname", nil) { getsockname(listener, pointer, &length) }
            }
        }
        try SystemCallError.check("listen", nil) { listen(listener, 64) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Self.onThread { [self] in serve() }
    }

    deinit {
        close(listener)
        halfDead.withLock { for descriptor in $0 { close(descriptor) } }
    }

    /// As clients take it.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// All connections so far, in the order in which they were made.
    public var connections: [Connection] { passed.withLock { $0 } }

    /// Sends connections that are made from now on to another port.
    public func redirect(to port: Int) { target.withLock { $0 = port } }

    /// Takes no more connections, which ends the thread that holds on to this.
    public func stop() { shutdown(listener, CInt(SHUT_RDWR)) }

    private func serve() {
        while case let client = accept(listener, nil, nil), client >= 0 {
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            let cut = cuts.withLock { $0.isEmpty ? .never : $0.removeFirst() }
            let number = passed.withLock { passed in
                passed.append(Connection())
                return passed.count - 1
            }
            let server = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = Self.address(port: target.withLock { $0 })
            let isConnected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isConnected else {
                Self.reset(client, server)
                continue
            }
            Self.onThread { [self] in pass(number, client, server, cut) }
        }
    }

    private func pass(_ number: Int, _ client: CInt, _ server: CInt, _ cut: Cut) {
        var (toServer, toClient) = (Int.max, Int.max)
        switch cut {
        case .never: break
        case .afterSending(let count), .halfDeadAfterSending(let count): toServer = count
        case .afterReceiving(let count): toClient = count
        }
        var events = [
            pollfd(fd: client, events: Int16(POLLIN), revents: 0),
            pollfd(fd: server, events: Int16(POLLIN), revents: 0),
        ]
        while toServer > 0, toClient > 0, poll(&events, 2, -1) > 0 {
            if events[0].revents != 0 {
                guard let bytes = Self.move(from: client, to: server, limit: toServer) else { break }
                toServer -= bytes.count
                passed.withLock { $0[number].sent += bytes }
                if bytes.isEmpty {
                    // The client has said all; the server may still speak.
                    events[0].fd = -1
                    shutdown(server, CInt(SHUT_WR))
                }
            }
            if events[1].revents != 0 {
                guard let bytes = Self.move(from: server, to: client, limit: toClient) else { break }
                toClient -= bytes.count
                passed.withLock { $0[number].received += bytes }
                if bytes.isEmpty {
                    close(client)
                    close(server)
                    return
                }
            }
        }
        switch cut {
        case .afterSending where toServer == 0:
            shutdown(server, CInt(SHUT_WR))
            var byte: UInt8 = 0
            while recv(server, &byte, 1, 0) > 0 {}
            Self.reset(client, server)
        case .halfDeadAfterSending where toServer == 0:
            Self.reset(client)
            halfDead.withLock { $0.append(server) }
        default: Self.reset(client, server)
        }
    }

    /// - Returns: what was moved; nothing at the end of the stream, nil if the connection broke.
    private static func move(from source: CInt, to target: CInt, limit: Int) -> [UInt8]? {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: min(limit, 1 << 16)) { space, filled in
            count = recv(source, space.baseAddress, space.count, 0)
            filled = max(count, 0)
        }
        guard count >= 0 else { return nil }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(target, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { return nil }
            rest = rest.dropFirst(count)
        }
        return bytes
    }

    private static func reset(_ descriptors: CInt...) {
        var option = linger(l_onoff: 1, l_linger: 0)
        for descriptor in descriptors {
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            close(descriptor)
        }
    }

    /// Not Dispatch: where its module is loaded before Glibc's, the compiler finds `stat` in it, and not in the other files.
    private static func onThread(_ body: @escaping @Sendable () -> Void) {
        final class Work {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { work in
                guard let work else { return nil }
                Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Work(body)).toOpaque())
        precondition(status == 0, "no thread for the proxy")
        pthread_detach(thread)
    }

    private static func address(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
