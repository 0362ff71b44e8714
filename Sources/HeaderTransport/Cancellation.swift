internal import Synchronization

/// Tells blocking work that nobody waits for it any more.
public final class Cancellation: Sendable {
    private let flag = Atomic(false)
    private let wake = Mutex<(@Sendable () -> Void)?>(nil)

    public init() {}

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    public func cancel() {
        flag.store(true, ordering: .relaxed)
        wake.withLock { $0?() }
    }

    /// - Throws: `CancellationError` once ``cancel()`` was called.
    public func check() throws { if isCancelled { throw CancellationError() } }

    /// - Parameter wake: ends a wait of the work, so that it looks; called on the thread that cancels. Nil for none: it is
    ///   not called any more when this returns.
    func onCancel(_ wake: (@Sendable () -> Void)?) { self.wake.withLock { $0 = wake } }
}
