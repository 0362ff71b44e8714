internal import KernelHeaders

// How one question or upload goes to the servers: which of them when is ``RetryPolicy``'s, who of several comes first
// ``ServerRace``'s.
extension HeaderServerClient {
    /// What an attempt at a server came to.
    enum Outcome<Value: Sendable>: Sendable {
        case answer(Value)
        case failure(any Error, RetryPolicy.Event)
        case overtaken
    }

    /// Reads a successful response.
    typealias Taker<Value> = @Sendable (CurlTransfer, ServerAddress, Cancellation) throws -> Value

    private enum Happening<Value: Sendable>: Sendable {
        case ended(server: Int, Outcome<Value>)
        /// `attempt` counts the attempts so far: a stagger that began before the last one is of no matter.
        case staggerEnded(attempt: Int)
    }

    /// - Parameter take: is called with a successful response, on one thread at a time; may be called again if reading it
    ///   throws ``TransportError``.
    func ask<Value: Sendable>(
        _ request: CurlRequest, _ take: @escaping Taker<Value>
    ) async throws -> Value {
        try await askServers(areSideBySide: request.isQuestion) { server, race, cancellation in
            try await BlockingWork.run(cancellation) { try attempt(request, server, race, cancellation, take) }
        }
    }

    /// The same for a file, which goes on where it broke off if it is large enough for that to be worth it.
    func send<Value: Sendable>(_ request: CurlRequest, _ take: @escaping Taker<Value>) async throws -> Value {
        guard case .file(let file, 0) = request.body, file.size >= resumableSize else {
            return try await ask(request, take)
        }
        return try await askServers(areSideBySide: false) { server, _, _ in
            try await ResumableUpload(of: file, request, to: only(servers[server]), take).run()
        }
    }

    /// An attempt that failed, and what follows from it.
    struct Failure: Error {
        let error: any Error
        let event: RetryPolicy.Event
    }

    /// One request to the first server, which is not made again.
    func exchange<Value: Sendable>(
        _ request: CurlRequest, _ take: @escaping Taker<Value>
    ) async throws -> Result<Value, Failure> {
        let cancellation = Cancellation(deadline: SingleThread.deadline)
        let outcome = try await BlockingWork.run(cancellation) {
            try attempt(request, 0, ServerRace(), cancellation, take)
        }
        switch outcome {
        case .answer(let value): return .success(value)
        case .failure(let error, let event): return .failure(Failure(error: error, event: event))
        case .overtaken: throw CancellationError()
        }
    }

    private func askServers<Value: Sendable>(
        areSideBySide: Bool,
        _ attempt: @escaping @Sendable (_ server: Int, ServerRace, Cancellation) async throws -> Outcome<Value>
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Happening<Value>.self) { group in
            defer { group.cancelAll() }
            var policy = RetryPolicy(servers: servers.count, isRead: areSideBySide, retries: retries)
            var generator = SystemRandomNumberGenerator()
            var report: any Error = CancellationError()
            var attempts = 0
            let race = ServerRace()
            func start(_ server: Int) {
                attempts += 1
                group.addTask {
                    let cancellation = Cancellation(deadline: SingleThread.deadline)
                    race.start(server, cancellation)
                    defer { race.end(server) }
                    do {
                        return .ended(server: server, try await attempt(server, race, cancellation))
                    } catch is CancellationError where !Task.isCancelled {
                        return .ended(server: server, .overtaken)
                    }
                }
                guard policy.staggers else { return }
                group.addTask { [attempts] in
                    try await stagger()
                    return .staggerEnded(attempt: attempts)
                }
            }
            start(0)
            while let happening = try await group.next() {
                switch happening {
                case .staggerEnded(let attempt):
                    guard attempt == attempts, !race.hasWinner, let next = policy.staggerEnded() else { continue }
                    start(next)
                case .ended(_, .answer(let value)): return value
                case .ended(let server, .overtaken):
                    if case .ask(let next, _) = policy.action(after: .overtaken, of: server, using: &generator) {
                        start(next)
                    }
                case .ended(let server, .failure(let error, let event)):
                    // An answer says more than the silence of the servers after it.
                    if error is ServerRefusal || !(report is ServerRefusal) { report = error }
                    switch policy.action(after: event, of: server, using: &generator) {
                    case .ask(let next, let delay):
                        tell(server, error, next, delay)
                        if delay != .zero { try await pause(delay) }
                        start(next)
                    case .wait: tell(server, error, nil, .zero)
                    case .stop: throw report
                    }
                }
            }
            throw report
        }
    }

    private func tell(_ server: Int, _ error: any Error, _ next: Int?, _ delay: Duration) {
        let whom = next.map { $0 == server ? " Asking again" : " Asking \(servers[$0])" }
        let when = delay == .zero ? "" : " in \(delay.wholeMilliseconds) ms"
        notice("\(servers[server]): \(Self.reason(error)).\(whom.map { $0 + when + "." } ?? "")")
    }

    /// Why an attempt failed, in a few words.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as TransportError: error.reason
        case let refusal as ServerRefusal: "status \(refusal.status)"
        default: "\(error)"
        }
    }

    private func attempt<Value: Sendable>(
        _ request: CurlRequest, _ server: Int, _ race: ServerRace, _ cancellation: Cancellation,
        _ take: Taker<Value>
    ) throws -> Outcome<Value> {
        let address = servers[server]
        var request = request
        request.token = token
        do {
            let transfer = try CurlTransfer(
                request, to: address, over: connections, userAgent: userAgent, timeouts: timeouts,
                cancellation: cancellation)
            let head = try transfer.head()
            if (200..<300).contains(head.status) {
                return race.win(server) ? .answer(try take(transfer, address, cancellation)) : .overtaken
            }
            let refusal = ServerRefusal(
                status: head.status, mediaType: head.mediaType,
                body: try Self.body(of: transfer, limit: Self.refusalLimit, address), server: "\(address)")
            return .failure(refusal, .answered(status: head.status, retryAfter: transfer.retryAfter))
        } catch is DeadlinePassed {
            throw DeadlinePassed(server: "\(address)")
        } catch let error as TreeFetchError {
            // Its store may be damaged; another's is not for that.
            return .failure(error, .failed(isTransient: false))
        } catch let error as TransportError {
            switch error {
            case .unreachable(_, _, let isTransient), .brokenOff(_, _, let isTransient):
                return .failure(error, .failed(isTransient: isTransient))
            case .digestDiffers: return .failure(error, .failed(isTransient: true))
            // Another server may answer better; this one will not.
            case .badAnswer: return .failure(error, .failed(isTransient: false))
            }
        }
    }
}

extension Duration {
    var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
