internal import Synchronization

/// Of the servers that are asked side by side, the first one with a good answer: whoever comes second is let go, and the
/// others are cancelled at once.
final class ServerRace: Sendable {
    private struct State {
        var winner: Int?
        var runners: [Int: Cancellation] = [:]
    }

    private let state = Mutex(State())

    var hasWinner: Bool { state.withLock { $0.winner != nil } }

    func start(_ server: Int, _ cancellation: Cancellation) {
        let isLate = state.withLock { state in
            state.runners[server] = cancellation
            return state.winner != nil
        }
        if isLate { cancellation.cancel() }
    }

    /// - Returns: whether this server is the first.
    func win(_ server: Int) -> Bool {
        let others: [Cancellation] = state.withLock { state in
            guard state.winner == nil else { return [] }
            state.winner = server
            return state.runners.filter { $0.key != server }.map(\.value)
        }
        for other in others { other.cancel() }
        return state.withLock { $0.winner == server }
    }

    /// The winner too may fail, which makes the race open again.
    func end(_ server: Int) {
        state.withLock { state in
            state.runners[server] = nil
            if state.winner == server { state.winner = nil }
        }
    }
}
