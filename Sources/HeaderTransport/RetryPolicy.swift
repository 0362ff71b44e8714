/// Decides what follows an attempt: another server, another round after a pause, or the end.
///
/// A round asks the servers in their order. Of a question the next one is asked beside those that are at it when
/// ``stagger`` has passed without an answer, or when one of them fails; the first good answer counts, and the others are
/// let go. Uploads and reports go to one after the other. Another round follows, after an exponential pause with full jitter, only
/// if none of them gave an answer that counts and at least one may do so later. Every request of the API is idempotent
/// (RFC 9110, section 9.2.2), so every one may be sent again. Pure: no clock, no network, no random source of its own.
struct RetryPolicy: Sendable {
    /// What an attempt that did not succeed came to.
    enum Event: Equatable, Sendable {
        /// A response other than 2xx. `retryAfter` is in seconds.
        case answered(status: Int, retryAfter: Int?)
        /// No response, or a broken one.
        case failed(isTransient: Bool)
        /// Another server was faster, and this one was let go before it said anything.
        case overtaken
    }

    /// What to do now.
    enum Action: Equatable, Sendable {
        /// Ask the server of this index, after a pause.
        case ask(server: Int, after: Duration)
        /// Others are still at it.
        case wait
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
    /// How long a server may take for the head of its answer before the next one is asked too.
    static let stagger = Duration.milliseconds(300)

    private let retries: Int
    private let servers: Int
    private let isRead: Bool
    /// Of this round: servers not asked yet, in their order, and those that are at it.
    private var waiting: [Int]
    private var running: Set<Int> = [0]
    private var round = 0
    private var retryAfter = 0
    /// In this round: some server gave an answer that another round would not change.
    private var hasAnswer = false
    /// In this round: some server may answer later.
    private var isHopeful = false

    /// The server of index 0 is asked first.
    ///
    /// - Parameters:
    ///   - servers: how many there are, at least 1.
    ///   - isRead: of a question, a server's "not found" or failure is not the last word while another may know; an
    ///     upload or report that was refused is not carried elsewhere.
    init(servers: Int, isRead: Bool, retries: Int = Self.retries) {
        self.retries = retries
        self.servers = servers
        self.isRead = isRead
        waiting = Array(1..<servers)
    }

    /// Whether it makes a difference that ``stagger`` passes.
    var staggers: Bool { isRead && !waiting.isEmpty }

    /// - Returns: the server to ask beside the others when ``stagger`` has passed; nil for none.
    mutating func staggerEnded() -> Int? { staggers ? takeNext() : nil }

    /// - Parameters:
    ///   - server: the one whose attempt ended.
    ///   - generator: for the jitter.
    mutating func action(
        after event: Event, of server: Int, using generator: inout some RandomNumberGenerator
    ) -> Action {
        running.remove(server)
        switch event {
        case .overtaken:
            // It may be asked again if the faster one breaks off.
            waiting = (waiting + [server]).sorted()
            if !running.isEmpty { return .wait }
        case .answered(let status, let after) where Self.isPassing(status, retryAfter: after):
            guard after ?? 0 <= Self.longestRetryAfter else {
                hasAnswer = true
                break
            }
            isHopeful = true
            retryAfter = max(retryAfter, after ?? 0)
        case .answered(let status, _):
            guard isRead, status == 404 || status >= 500 else { return .stop }
            hasAnswer = true
        case .failed(let isTransient):
            isHopeful = isHopeful || isTransient
        }
        if let next = takeNext() { return .ask(server: next, after: .zero) }
        return running.isEmpty ? nextRound(using: &generator) : .wait
    }

    /// Whether a refusal is for now only. A full disk stays full, unless the server says when to come again.
    static func isPassing(_ status: Int, retryAfter: Int?) -> Bool {
        [408, 429, 502, 503, 504].contains(status) || status == 507 && retryAfter != nil
    }

    private mutating func takeNext() -> Int? {
        guard !waiting.isEmpty else { return nil }
        let server = waiting.removeFirst()
        running.insert(server)
        return server
    }

    private mutating func nextRound(using generator: inout some RandomNumberGenerator) -> Action {
        guard isHopeful, !hasAnswer, round < retries else { return .stop }
        let limit = min(Self.firstPause * (1 << min(round, 16)), Self.longestPause)
        let pause = limit * Double.random(in: 0...1, using: &generator)
        let earliest = Duration.seconds(retryAfter)
        (round, retryAfter, isHopeful) = (round + 1, 0, false)
        (waiting, running) = (Array(1..<servers), [0])
        // Jitter on top of what the server asks for, or all its clients come back in the same instant.
        return .ask(server: 0, after: earliest + pause)
    }
}
