internal import FoundationEssentials
public import HeaderArchive
public import KernelHeaders

/// The server's API as async calls, over libcurl.
///
/// Each call asks the servers in their order: a question goes to the next one too when the one before takes long for its
/// answer (``RetryPolicy/stagger``), and the first good answer counts. An unreachable or busy one is passed over, and a
/// question that one cannot answer (404, 500) goes on to the next; when none has answered, all are asked again up to three times, after pauses
/// with jitter that respect `Retry-After`. A cancelled task's call ends within a moment.
///
/// Copies of a client share its connections, which are kept from one call to the next.
///
/// All calls throw ``ServerRefusal`` for a server's no, ``TransportError``, or `CancellationError`.
public struct HeaderServerClient: Sendable {
    /// The most bytes of a document taken. A manifest of 100,000 entries has some 25 MB.
    package static let documentLimit = 64 << 20
    /// The most bytes of a refusal taken.
    static let refusalLimit = 1 << 16

    private(set) var servers: [ServerAddress]
    let connections = CurlConnections()
    let token: AccessToken?
    let userAgent: String
    let timeouts: TransferTimeouts
    let notice: @Sendable (String) -> Void
    /// How often all servers are asked again when none could answer.
    public var retries = RetryPolicy.retries
    /// From how many bytes on an upload is begun with a request of its own, so that it can go on where it broke off. That
    /// costs no more than what curl does for as many: asking for `100 Continue`.
    var resumableSize = 1 << 20
    /// Waits before another round; tests do not.
    var pause: @Sendable (Duration) async throws -> Void = { try await SingleThread.sleep(for: $0) }
    /// Waits before the next server is asked beside the others; tests do so for ever, or not at all.
    var stagger: @Sendable () async throws -> Void = { try await SingleThread.sleep(for: RetryPolicy.stagger) }

    /// - Parameters:
    ///   - servers: at least one.
    ///   - program: goes into `User-Agent`.
    ///   - token: is shown to every one of the servers.
    ///   - notice: is told in a sentence why another attempt is made, and at once if the token is going to be sent to
    ///     another host without TLS.
    public init(
        servers: [ServerAddress], program: String = "kheader", token: AccessToken? = nil,
        timeouts: TransferTimeouts = TransferTimeouts(),
        notice: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        precondition(!servers.isEmpty, "a client needs a server")
        self.servers = servers
        self.token = token
        self.userAgent = "\(program)/\(ReleaseVersion.current)"
        self.timeouts = timeouts
        self.notice = notice
        if token != nil, let server = servers.first(where: \.isReadableOnTheWay) {
            notice("\(server) is no https server: whoever is on the way to it can read the token.")
        }
    }

    /// A client of one of the servers only, over the same connections.
    public func only(_ server: ServerAddress) -> HeaderServerClient {
        var client = self
        client.servers = [server]
        return client
    }

    // MARK: Bundles

    /// What a tree is fetched as. From this very host a tar that is not compressed: to copy it costs less than to
    /// decompress it.
    var treeFormat: BundleFormat { servers.allSatisfy(\.isLocal) ? .tar : .tarZstd }

    /// A tree's bundle.
    ///
    /// - Parameter consume: reads the bundle on a thread that may block, and throws what the source throws. When the
    ///   connection breaks it is called again from the start, so it must have undone what it did.
    public func bundle<Value: Sendable>(
        tree: KernelHeaders.Digest, progress: TransferProgress? = nil,
        _ consume: @escaping @Sendable (any ByteSource, Cancellation) throws -> Value
    ) async throws -> Value {
        let request = CurlRequest(path: APIPath.bundle(tree: tree, treeFormat), progress: progress)
        return try await ask(request) { transfer, _, cancellation in try consume(transfer, cancellation) }
    }

    /// A kernel's bundle, and the digest of the tree that the server says it is.
    ///
    /// - Parameter consume: as for ``bundle(tree:progress:_:)``.
    public func bundle<Value: Sendable>(
        of id: BuildID, progress: TransferProgress? = nil,
        _ consume: @escaping @Sendable (any ByteSource, KernelHeaders.Digest, Cancellation) throws -> Value
    ) async throws -> Value {
        let request = CurlRequest(path: APIPath.bundle(id, treeFormat), progress: progress)
        return try await ask(request) { transfer, server, cancellation in
            let field = try transfer.head()[APIField.tree.lowercased()]
            guard let digest = field.flatMap({ KernelHeaders.Digest($0) }) else {
                throw TransportError.badAnswer(
                    server: "\(server)", what: "without the digest of its tree (\(APIField.tree))")
            }
            return try consume(transfer, digest, cancellation)
        }
    }

    // MARK: Uploads

    /// Sends a kernel's headers.
    ///
    /// - Parameters:
    ///   - claim: the one that a verdict gave (``report(_:)``); it is good on the server that gave it (``only(_:)``).
    ///   - origin: where the host found them.
    /// - Returns: the server's receipt, and whether the tree was new to it.
    public func push(
        _ file: UploadFile, as identity: KernelIdentity, source: HeaderSource, origin: HeaderOrigin? = nil,
        claim: String? = nil, progress: TransferProgress? = nil
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        let query = APIPath.query([
            ("release", identity.release), ("versionLine", identity.versionLine),
            ("architecture", identity.architecture?.machine), ("hasBTF", identity.hasBTF.map { "\($0)" }),
            ("source", source.rawValue), ("origin", origin?.rawValue),
        ])
        return try await send(upload(file, to: APIPath.headers(identity.buildID) + query, claim, progress)) {
            transfer, server, _ in
            let isNew = try transfer.head().status == 201
            return (try Self.decode(IngestReceipt.self, from: transfer, server), isNew)
        }
    }

    /// Sends a kernel's BTF, as `/sys/kernel/btf/vmlinux` has it.
    ///
    /// - Returns: the server's receipt, and whether the BTF was new to it.
    public func pushBTF(
        _ file: UploadFile, of id: BuildID, claim: String? = nil, progress: TransferProgress? = nil
    ) async throws -> (receipt: BTFReceipt, isNew: Bool) {
        try await send(upload(file, to: APIPath.btf(id), claim, progress)) { transfer, server, _ in
            let isNew = try transfer.head().status == 201
            return (try Self.decode(BTFReceipt.self, from: transfer, server), isNew)
        }
    }

    private func upload(
        _ file: UploadFile, to path: String, _ claim: String?, _ progress: TransferProgress?
    ) -> CurlRequest {
        CurlRequest(
            method: .put, path: path,
            fields: [
                ("Content-Type", "application/octet-stream"),
                (ContentDigest.fieldName, ContentDigest.field(file.digest)),
            ] + (claim.map { [(APIField.claim, $0)] } ?? []), body: .file(file, from: 0), progress: progress)
    }

    // MARK: Asking

    /// The servers as they were named, for messages.
    public var serverNames: String { servers.map { "\($0)" }.joined(separator: ", ") }

    static func decode<Document: Decodable>(
        _ type: Document.Type, from transfer: CurlTransfer, _ server: ServerAddress, limit: Int = documentLimit
    ) throws -> Document {
        let body = try body(of: transfer, limit: limit, server)
        do {
            return try JSONDecoder().decode(type, from: Data(body))
        } catch {
            throw TransportError.badAnswer(server: "\(server)", what: "something that is not a \(type)")
        }
    }

    /// The same for the documents of a check-in, without Foundation.
    static func decode<Document: Decodable & JSONReadable>(
        _ type: Document.Type, from transfer: CurlTransfer, _ server: ServerAddress, limit: Int = documentLimit
    ) throws -> Document {
        let body = try body(of: transfer, limit: limit, server)
        do {
            return try Document(json: JSONTree(parsing: body))
        } catch {
            throw TransportError.badAnswer(server: "\(server)", what: "something that is not a \(type)")
        }
    }

    static func body(of transfer: CurlTransfer, limit: Int, _ server: ServerAddress) throws -> [UInt8] {
        var body: [UInt8] = []
        try transfer.drain { bytes in
            body.append(contentsOf: bytes)
            guard body.count <= limit else {
                throw TransportError.badAnswer(server: "\(server)", what: "more than \(limit) bytes")
            }
        }
        return body
    }
}
