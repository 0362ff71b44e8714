internal import Glibc
internal import KernelHeaders
internal import Synchronization

/// The tokens as a running server knows them: it looks whether the file is another one at most once a second, when it is
/// asked something, and reads it only then.
public final class TokenRegistry: Sendable {
    /// What is known of a secret.
    public enum Finding: Sendable, Equatable {
        case active(TokenRecord)
        case expired(TokenRecord)
        /// Or revoked: who tries one is not told that it once was good.
        case unknown
    }

    private struct State {
        var looked: Int?
        var identity: TokenFile.Identity?
        /// A look-up takes a time that depends on the secret's hash, from which nobody gets to the secret.
        var tokens: Result<[Digest: TokenRecord], any Error> = .success([:])
    }

    private let file: TokenFile
    private let now: @Sendable () -> Int
    private let state = Mutex(State())

    /// - Parameter now: seconds since 1970.
    public init(_ file: TokenFile, now: @escaping @Sendable () -> Int = TokenRegistry.systemTime) {
        self.file = file
        self.now = now
    }

    /// This machine's clock.
    public static let systemTime: @Sendable () -> Int = { time(nil) }

    /// Whether there is no token, not even one that does not count any more.
    ///
    /// - Throws: ``TokenFileError``.
    public var isEmpty: Bool { get throws { try current(now()).isEmpty } }

    /// Whether there is a token that counts.
    ///
    /// - Throws: ``TokenFileError``.
    public var hasActive: Bool {
        get throws {
            let now = now()
            return try current(now).values.contains { $0.state(at: now) == .active }
        }
    }

    /// - Throws: ``TokenFileError``.
    public func find(_ secret: String) throws -> Finding {
        let now = now()
        guard let token = try current(now)[TokenFile.digest(of: secret)] else { return .unknown }
        switch token.state(at: now) {
        case .active: return .active(token)
        case .expired: return .expired(token)
        case .revoked: return .unknown
        }
    }

    private func current(_ now: Int) throws -> [Digest: TokenRecord] {
        try state.withLock { state in
            // Not "later than": the clock may be put back.
            if state.looked != now {
                state.looked = now
                look(&state)
            }
            return try state.tokens.get()
        }
    }

    private func look(_ state: inout State) {
        // What could not be read is tried again: it may be readable now without being another file.
        if case .success = state.tokens, let identity = file.identity(), identity == state.identity { return }
        state.identity = nil
        state.tokens = Result {
            guard let (tokens, identity) = try file.load() else { return [:] }
            state.identity = identity
            return Dictionary(tokens.map { ($0.digest, $0) }) { $1 }
        }
    }
}
