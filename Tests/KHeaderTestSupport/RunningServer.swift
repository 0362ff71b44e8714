public import HeaderServer
public import HeaderStore
public import Logging

/// The real server in this process: a free port on 127.0.0.1, its store in a folder of its own.
public final class RunningServer: Sendable {
    public let store: HeaderStore
    /// Holds the store's folder, `store`.
    public let folder: TemporaryFolder
    /// On 127.0.0.1, or what the test asked for; 0 for a Unix socket.
    public let port: Int
    private let task: Task<Void, any Error>

    /// As clients take it.
    public var url: String { "http://127.0.0.1:\(port)" }

    fileprivate init(
        folder: TemporaryFolder, access: ServerAccess, options: HeaderStore.Options, uploads: UploadLimits,
        pch: PCHOptions, serving: ServingOptions, logger: Logger, address: ListenAddress
    ) async throws {
        self.folder = folder
        let store = try HeaderStore(folder: folder.path("store"), options: options, logger: logger)
        self.store = store
        guard let reachable = ListenAddress(access.address) else {
            throw HTTPAnswer.Malformed(description: "\(access.address) is no address")
        }
        let control = try AccessControl(
            tokens: TokenRegistry(TokenFile(state: folder.path("store")), now: access.now), address: reachable,
            anonymousReads: access.anonymousReads, state: folder.path("store"), logger: logger)
        let (addresses, continuation) = AsyncThrowingStream.makeStream(of: ListenAddress.self)
        task = Task { [logger] in
            do {
                try await HeaderServer.run(
                    store: store, access: control, address: address, uploads: uploads, pch: pch, serving: serving,
                    logger: logger, endsOnSignals: false
                ) { continuation.yield($0) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
                throw error
            }
        }
        switch try await addresses.first(where: { _ in true }) {
        case .tcp(_, let port): self.port = port
        case .unix: port = 0
        case nil: throw HTTPAnswer.Malformed(description: "the server ended before it listened")
        }
    }

    fileprivate func stop() async throws {
        task.cancel()
        _ = await task.result
        try store.close()
    }

    /// A new connection.
    public func connect() throws -> HTTPConnection { try HTTPConnection(port: port) }

    /// One request on a connection of its own.
    ///
    /// - Parameters:
    ///   - target: path and query as they are sent.
    ///   - fields: whole lines, `Range: bytes=0-9`; `Host` and `Content-Length` are added.
    public func request(
        _ method: String, _ target: String, _ fields: [String] = [], body: [UInt8]? = nil
    ) async throws -> HTTPAnswer {
        let connection = try connect()
        defer { connection.close() }
        var lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1"] + fields
        if let body { lines.append("Content-Length: \(body.count)") }
        await connection.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? []))
        return try await connection.answer(toHead: method == "HEAD")
    }

    public func get(_ target: String, _ fields: String...) async throws -> HTTPAnswer {
        try await request("GET", target, fields)
    }

    public func head(_ target: String, _ fields: String...) async throws -> HTTPAnswer {
        try await request("HEAD", target, fields)
    }

    public func put(_ target: String, _ body: [UInt8], _ fields: String...) async throws -> HTTPAnswer {
        try await request("PUT", target, fields, body: body)
    }
}

/// Runs a test's body against a server of its own, which is stopped afterwards.
///
/// - Parameters:
///   - folder: holds the store; nil for a new one. With that of an earlier server, its store is opened again.
///   - access: who may ask, by the tokens that are made in `store`.
///   - address: where it listens; nil for a free port on 127.0.0.1.
///   - uploads: the bounds of uploads in several requests.
///   - pch: how precompiled headers are made; not at all, if nothing is said.
///   - serving: what is done with all requests.
///   - logger: nil for a silent one.
///   - change: sets the store's options.
public func withRunningServer<Value>(
    isolation: isolated (any Actor)? = #isolation, in folder: TemporaryFolder? = nil,
    access: ServerAccess = ServerAccess(), address: ListenAddress? = nil,
    uploads: UploadLimits = UploadLimits(), pch: PCHOptions = .off, serving: ServingOptions = ServingOptions(),
    logger: Logger? = nil, options change: (inout HeaderStore.Options) -> Void = { _ in },
    _ body: (RunningServer) async throws -> Value
) async throws -> Value {
    var options = HeaderStore.Options()
    change(&options)
    let server = try await RunningServer(
        folder: try folder ?? TemporaryFolder(), access: access, options: options, uploads: uploads,
        pch: pch, serving: serving, logger: logger ?? .criticalOnly,
        address: address ?? .tcp(host: "127.0.0.1", port: 0))
    do {
        let value = try await body(server)
        try await server.stop()
        return value
    } catch {
        try? await server.stop()
        throw error
    }
}

extension Logger {
    /// Silent, but not the no-op handler, which keeps no metadata: Hummingbird has the request's ID there.
    fileprivate static var criticalOnly: Logger {
        var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .critical
        return logger
    }
}

/// What a server is to believe that has a say in who may ask it.
public struct ServerAccess: Sendable {
    /// Where it listens. It does so on loopback nevertheless.
    public var address = "127.0.0.1:1"
    public var anonymousReads = false
    /// Seconds since 1970, for the tokens.
    public var now: @Sendable () -> Int = TokenRegistry.systemTime

    public init() {}
}
