internal import Synchronization

/// Tells blocking work that nobody waits for it any more.
public final class Cancellation: Sendable {
    private let flag = Atomic(false)
    private let deadline: ContinuousClock.Instant?
    private let wake = Mutex<(@Sendable () -> Void)?>(nil)

    public init() { deadline = nil }

    /// - Parameter deadline: when the work is to end of itself.
    init(deadline: ContinuousClock.Instant?) { self.deadline = deadline }

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    public func cancel() {
        flag.store(true, ordering: .relaxed)
        wake.withLock { $0?() }
    }

    /// - Throws: `CancellationError` once ``cancel()`` was called; ``DeadlinePassed``.
    public func check() throws {
        if isCancelled { throw CancellationError() }
        if let deadline, deadline <= .now { throw DeadlinePassed() }
    }

    /// - Parameter wake: ends a wait of the work, so that it looks; called on the thread that cancels. Nil for none: it is
    ///   not called any more when this returns.
    func onCancel(_ wake: (@Sendable () -> Void)?) { self.wake.withLock { $0 = wake } }
}
