internal import KernelHeaders

/// An upload to one server that goes on where it broke off (draft-ietf-httpbis-resumable-upload): it is begun without a
/// byte, which tells its URL or refuses it, then sent; after a break the server is asked how much arrived.
///
/// A server that knows nothing of it gets the file in one request.
struct ResumableUpload<Value: Sendable>: Sendable {
    private enum Step: Sendable {
        case begin
        /// To the upload's URL.
        case send(path: String, from: Int)
        case ask(path: String)
        case sendWhole
    }

    private enum Outcome: Sendable {
        case done(Value)
        case go(Step)
        case failed(any Error, RetryPolicy.Event, then: Step)
    }

    /// How often an upload is begun anew that the server has lost, or found damaged.
    static var maximumBeginnings: Int { 3 }
    /// Of how many bytes that arrived a failure is forgotten: a part of the file, so that breaks come to an end.
    private var worthwhile: Int { max(file.size / 64, 1) }
    private static var malformed: String { "an upload's place or progress that can't be" }

    private let file: UploadFile
    private let whole: CurlRequest
    private let client: HeaderServerClient
    private let take: HeaderServerClient.Taker<Value>
    private var server: ServerAddress { client.servers[0] }

    /// - Parameters:
    ///   - whole: the request that would send all of the file.
    ///   - client: of one server.
    init(
        of file: UploadFile, _ whole: CurlRequest, to client: HeaderServerClient,
        _ take: @escaping HeaderServerClient.Taker<Value>
    ) {
        self.file = file
        self.whole = whole
        self.client = client
        self.take = take
    }

    func run() async throws -> HeaderServerClient.Outcome<Value> {
        var policy = RetryPolicy(servers: 1, isRead: false, retries: client.retries)
        var generator = SystemRandomNumberGenerator()
        var step = Step.begin
        var (beginnings, arrived) = (1, 0)
        while true {
            switch try await perform(step) {
            case .done(let value): return .answer(value)
            case .go(let next):
                step = next
                if case .send(_, let offset) = next, offset >= arrived + worthwhile {
                    policy = RetryPolicy(servers: 1, isRead: false, retries: client.retries)
                    arrived = offset
                }
            case .failed(let error, let event, let next):
                if case .begin = next, !isBeginning(step) { beginnings += 1 }
                guard beginnings <= Self.maximumBeginnings,
                    case .ask(_, let pause) = policy.action(after: event, of: 0, using: &generator)
                else {
                    // It was tried often enough here; another server may still take it.
                    if case .answered(let status, let after) = event, !RetryPolicy.isPassing(status, retryAfter: after)
                    {
                        return .failure(error, event)
                    }
                    return .failure(error, .failed(isTransient: false))
                }
                client.notice(
                    "\(server): \(HeaderServerClient.reason(error)). Going on in \(pause.wholeMilliseconds) ms.")
                if pause != .zero { try await client.pause(pause) }
                step = next
            }
        }
    }

    private func isBeginning(_ step: Step) -> Bool { if case .begin = step { true } else { false } }

    private func perform(_ step: Step) async throws -> Outcome {
        switch step {
        case .begin: try await begin()
        case .send(let path, let offset): try await send(path, from: offset)
        case .ask(let path): try await ask(path)
        case .sendWhole:
            switch try await client.exchange(whole, take) {
            case .success(let value): .done(value)
            case .failure(let failure): .failed(failure.error, failure.event, then: .sendWhole)
            }
        }
    }

    private func begin() async throws -> Outcome {
        var request = whole
        request.body = .document([])
        request.seconds = client.timeouts.document
        request.progress = nil
        // That is of a request's body, and this one has none.
        request.fields.removeAll { $0.name == ContentDigest.fieldName }
        request.fields += [
            (ContentDigest.representation, ContentDigest.field(file.digest)),
            (APIField.uploadDraftInterop, APIField.uploadInteropVersion), (APIField.uploadComplete, "?0"),
            (APIField.uploadLength, "\(file.size)"),
        ]
        switch try await client.exchange(request, { transfer, _, _ in try Self.path(transfer.head()) }) {
        case .success(let path?): return .go(.send(path: path, from: 0))
        // It knows nothing of uploads in several requests, and found the body empty, or took it for something else.
        case .success(nil): return .go(.sendWhole)
        case .failure(let failure) where Self.isOfAnOlderServer(failure.error): return .go(.sendWhole)
        case .failure(let failure): return .failed(failure.error, failure.event, then: .begin)
        }
    }

    private func send(_ path: String, from offset: Int) async throws -> Outcome {
        let request = CurlRequest(
            method: .patch, path: path,
            fields: [
                ("Content-Type", APIField.partialUploadType),
                (APIField.uploadDraftInterop, APIField.uploadInteropVersion), (APIField.uploadComplete, "?1"),
                (APIField.uploadOffset, "\(offset)"),
                // The beginning has shown that it is taken.
                ("Expect", ""),
            ], body: .file(file, from: offset), progress: whole.progress)
        let outcome = try await client.exchange(request) { transfer, server, cancellation -> Value? in
            // A part only.
            if try transfer.head()[APIField.uploadComplete.lowercased()] == "?0" { return nil }
            return try take(transfer, server, cancellation)
        }
        switch outcome {
        case .success(let value?): return .done(value)
        case .success(nil):
            let error = TransportError.badAnswer(server: "\(server)", what: "for a part of the upload only")
            return .failed(error, .failed(isTransient: true), then: .ask(path: path))
        case .failure(let failure): return afterSending(failure, path)
        }
    }

    private func afterSending(_ failure: HeaderServerClient.Failure, _ path: String) -> Outcome {
        switch failure.error {
        case let refusal as ServerRefusal:
            switch (refusal.status, refusal.problemCode) {
            case (404, _), (_, .contentDigestMismatch):
                .failed(refusal, .failed(isTransient: true), then: .begin)
            case (_, .uploadOffsetMismatch), (_, .uploadIncomplete), (500, _):
                .failed(refusal, .failed(isTransient: true), then: .ask(path: path))
            default: .failed(refusal, failure.event, then: .ask(path: path))
            }
        case TransportError.badAnswer: .failed(failure.error, failure.event, then: .ask(path: path))
        // Also when nothing was heard for too long: that is this connection's, and the next one shows what is.
        default: .failed(failure.error, .failed(isTransient: true), then: .ask(path: path))
        }
    }

    private func ask(_ path: String) async throws -> Outcome {
        let request = CurlRequest(
            method: .head, path: path, fields: [(APIField.uploadDraftInterop, APIField.uploadInteropVersion)],
            seconds: client.timeouts.document)
        let outcome = try await client.exchange(request) { [size = file.size] transfer, server, _ in
            guard let offset = try transfer.head()[APIField.uploadOffset.lowercased()].flatMap({ Int($0) }),
                (0...size) ~= offset
            else { throw TransportError.badAnswer(server: "\(server)", what: Self.malformed) }
            return offset
        }
        switch outcome {
        case .success(let offset): return .go(.send(path: path, from: offset))
        case .failure(let failure):
            if let refusal = failure.error as? ServerRefusal, [404, 405, 501].contains(refusal.status) {
                return .failed(refusal, .failed(isTransient: true), then: .begin)
            }
            return .failed(failure.error, failure.event, then: .ask(path: path))
        }
    }

    /// The path of the upload's URL, or nil if there is none. Of the URL only the token counts: what stands before it is
    /// as this program, behind whatever proxies, knows the server.
    private static func path(_ head: ResponseHead) -> String? {
        guard head.status == 201, let parts = head["location"]?.split(separator: "/"), let token = parts.last,
            parts.dropLast().suffix(2) == ["v1", "uploads"], token.utf8.count <= 128,
            token.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D })
        else { return nil }
        return APIPath.upload(String(token))
    }

    /// How servers answer to an empty body that know nothing of this, and proxies to fields or a length of 0.
    private static func isOfAnOlderServer(_ error: any Error) -> Bool {
        (error as? ServerRefusal).map { [400, 411, 415, 422, 501].contains($0.status) } ?? false
    }
}
