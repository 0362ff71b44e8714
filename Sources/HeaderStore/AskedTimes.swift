internal import Dispatch
internal import Synchronization

/// When things were last asked for. Each is written at most once an hour, and not by who asks: asking must not cost a sync.
final class AskedTimes<Key: Hashable & Sendable>: Sendable {
    private struct State {
        /// The times that are written, or will be.
        var noted: [Key: Int] = [:]
        var pending: [Key: Int] = [:]
        var isPlanned = false
        var isClosed = false
    }

    /// How exact the times are, in seconds.
    private static var step: Int { 3600 }
    /// How many are remembered; all are forgotten then, and written once more.
    private static var maximum: Int { 8192 }

    private let now: @Sendable () -> Int
    private let write: @Sendable ([Key: Int]) throws -> Void
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "asked-times")

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - write: puts times on record. What it throws is lost, with the times.
    init(now: @escaping @Sendable () -> Int, write: @escaping @Sendable ([Key: Int]) throws -> Void) {
        self.now = now
        self.write = write
    }

    func note(_ key: Key) {
        let now = now()
        let plans = state.withLock { state in
            if let last = state.noted[key], (0..<Self.step).contains(now - last) { return false }
            guard !state.isClosed else { return false }
            if state.noted.count >= Self.maximum { state.noted.removeAll() }
            state.noted[key] = now
            state.pending[key] = now
            defer { state.isPlanned = true }
            return !state.isPlanned
        }
        if plans { queue.async { [self] in try? writePending() } }
    }

    /// Writes what is not written yet.
    func flush() throws { try queue.sync { try writePending() } }

    /// Writes what is not written yet; nothing is noted after it.
    func close() throws {
        state.withLock { $0.isClosed = true }
        try flush()
    }

    private func writePending() throws {
        let pending = state.withLock { state in
            defer {
                state.pending = [:]
                state.isPlanned = false
            }
            return state.pending
        }
        if !pending.isEmpty { try write(pending) }
    }
}
