/// Decides what follows an attempt: the next server, another round after a pause, or the end.
///
/// A round asks the servers one after the other. Another round follows, after an exponential pause with full jitter,
/// only if none of them gave an answer that counts and at least one may do so later. Every request of the API is
/// idempotent (RFC 9110, section 9.2.2), so every one may be sent again. Pure: no clock, no network, no random source
/// of its own.
struct RetryPolicy: Sendable {
    /// What an attempt that did not succeed came to.
    enum Event: Equatable, Sendable {
        /// A response other than 2xx. `retryAfter` is in seconds.
        case answered(status: Int, retryAfter: Int?)
        /// No response, or a broken one.
        case failed(isTransient: Bool)
    }

    /// What to do now.
    enum Action: Equatable, Sendable {
        /// Ask the server of this index, after a pause.
        case ask(server: Int, after: Duration)
        /// Report the failure.
        case stop
    }

    /// Further rounds after the first.
    static let retries = 3
    /// The longest pause before the second round; twice that before the third, and so on.
    static let firstPause = Duration.milliseconds(500)
    static let longestPause = Duration.seconds(8)
    /// The longest `Retry-After` waited for, in seconds. A server that asks for more is reported instead.
    static let longestRetryAfter = 60

    private let servers: Int
    private let triesAllServers: Bool
    private var server = 0
    private var round = 0
    private var retryAfter = 0
    /// In this round: some server gave an answer that another round would not change.
    private var hasAnswer = false
    /// In this round: some server may answer later.
    private var isHopeful = false

    /// - Parameters:
    ///   - servers: how many there are, at least 1.
    ///   - isRead: of a question, a server's "not found" or failure is not the last word while another may know; an
    ///     upload that was refused is not carried elsewhere.
    init(servers: Int, isRead: Bool) {
        self.servers = servers
        triesAllServers = isRead
    }

    /// - Parameter generator: for the jitter.
    mutating func action(after event: Event, using generator: inout some RandomNumberGenerator) -> Action {
        switch event {
        case .answered(let status, let after) where [429, 502, 503, 504].contains(status):
            guard after ?? 0 <= Self.longestRetryAfter else {
                hasAnswer = true
                break
            }
            isHopeful = true
            retryAfter = max(retryAfter, after ?? 0)
        case .answered(let status, _):
            guard triesAllServers, status == 404 || status >= 500 else { return .stop }
            hasAnswer = true
        case .failed(let isTransient):
            isHopeful = isHopeful || isTransient
        }
        return next(using: &generator)
    }

    private mutating func next(using generator: inout some RandomNumberGenerator) -> Action {
        server += 1
        if server < servers { return .ask(server: server, after: .zero) }
        guard isHopeful, !hasAnswer, round < Self.retries else { return .stop }
        let limit = min(Self.firstPause * (1 << round), Self.longestPause)
        let pause = limit * Double.random(in: 0...1, using: &generator)
        let earliest = Duration.seconds(retryAfter)
        (server, round, retryAfter, isHopeful) = (0, round + 1, 0, false)
        // Jitter on top of what the server asks for, or all its clients come back in the same instant.
        return .ask(server: 0, after: earliest + pause)
    }
}
