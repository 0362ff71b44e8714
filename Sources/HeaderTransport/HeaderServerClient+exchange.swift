package import HeaderArchive
internal import KernelHeaders

// For what other modules ask of a server that has documents of theirs: this one's are in every agent.
extension HeaderServerClient {
    /// A successful answer, whose body is read as it is wanted.
    package struct Answer {
        private let transfer: CurlTransfer
        private let address: ServerAddress

        package let status: Int
        /// The server, as it was named to this program.
        package var server: String { "\(address)" }
        package var body: any ByteSource { transfer }
        /// Seconds that `Retry-After` asks for.
        package var retryAfter: Int? { transfer.retryAfter }

        fileprivate init(_ transfer: CurlTransfer, _ address: ServerAddress) throws {
            self.transfer = transfer
            self.address = address
            status = try transfer.head().status
        }

        /// The value of a field, by its name in lower case; the first one if there are several.
        package func field(_ name: String) throws -> String? { try transfer.head()[name] }

        /// The whole body as a document.
        ///
        /// - Throws: ``TransportError``.
        package func document<Document: Decodable>(_ type: Document.Type, limit: Int) throws -> Document {
            try HeaderServerClient.decode(type, from: transfer, address, limit: limit)
        }
    }

    /// Whether all servers are on this very host, where bytes cost less than to compress and decompress them.
    package var isLocal: Bool { servers.allSatisfy(\.isLocal) }

    /// A question.
    ///
    /// - Parameters:
    ///   - path: with its query, as `APIPath` has it.
    ///   - isDocument: whether the answer is small, and all of it must come in the time for documents.
    ///   - take: reads a successful answer (2xx) on a thread that may block. When the connection breaks, or it throws
    ///     ``TransportError``, it may be called again from the start.
    package func question<Value: Sendable>(
        _ path: String, fields: [(name: String, value: String)] = [], isDocument: Bool = true,
        progress: TransferProgress? = nil, _ take: @escaping @Sendable (Answer, Cancellation) throws -> Value
    ) async throws -> Value {
        let request = CurlRequest(
            path: path, fields: fields, seconds: isDocument ? timeouts.document : nil, progress: progress)
        return try await ask(request) { transfer, server, cancellation in
            try take(Answer(transfer, server), cancellation)
        }
    }

    /// A document.
    ///
    /// - Parameter path: with its query, as `APIPath` has it.
    package func document<Document: Decodable & Sendable>(_ path: String) async throws -> Document {
        try await document(CurlRequest(path: path, seconds: timeouts.document))
    }

    /// Asks for a change (POST without a body), of one server after the other.
    ///
    /// - Parameter isQuick: whether the answer must come in the time for documents.
    package func post<Document: Decodable & Sendable>(_ path: String, isQuick: Bool) async throws -> Document {
        let seconds = isQuick ? timeouts.document : nil
        return try await document(CurlRequest(method: .post, path: path, body: .document([]), seconds: seconds))
    }

    /// Asks for a change (PUT without a body), of one server after the other.
    package func put<Document: Decodable & Sendable>(_ path: String) async throws -> Document {
        try await document(CurlRequest(method: .put, path: path, seconds: timeouts.document))
    }

    /// Has something deleted; the answer's body is of no matter.
    package func delete(_ path: String) async throws {
        try await ask(CurlRequest(method: .delete, path: path, seconds: timeouts.document)) { _, _, _ in }
    }

    private func document<Document: Decodable & Sendable>(_ request: CurlRequest) async throws -> Document {
        try await ask(request) { transfer, server, _ in try Self.decode(Document.self, from: transfer, server) }
    }

    /// Sends a small document (PUT); the answer's body is of no matter.
    package func put(_ document: [UInt8], to path: String) async throws {
        let request = CurlRequest(
            method: .put, path: path, fields: [("Content-Type", "application/json")], body: .document(document),
            seconds: timeouts.document)
        try await ask(request) { _, _, _ in }
    }

    /// Sends a file (PUT), in one request; the answer's body is of no matter.
    package func put(
        _ file: UploadFile, to path: String, mediaType: String, progress: TransferProgress? = nil
    ) async throws {
        let request = CurlRequest(
            method: .put, path: path,
            fields: [("Content-Type", mediaType), (ContentDigest.fieldName, ContentDigest.field(file.digest))],
            body: .file(file, from: 0), progress: progress)
        try await ask(request) { _, _, _ in }
    }
}
