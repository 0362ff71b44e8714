import HummingbirdCore
import NIOCore
import Synchronization

/// A connection, until the task is there that sees to it.
///
/// A server that ends may never come to one that it has just accepted, though a ``PromptAnswerHandler`` may have answered on
/// it. NIO ends the process over a channel that is let go of while it is open: such a one is closed here.
final class AcceptedConnection: ServerChildChannelValue {
    private let base: HTTP1Channel.Value
    private let isTakenUp = Atomic(false)

    var channel: any Channel { base.channel }

    init(_ base: HTTP1Channel.Value) { self.base = base }

    /// For whoever closes it.
    func takeUp() -> HTTP1Channel.Value {
        isTakenUp.store(true, ordering: .relaxed)
        return base
    }

    deinit {
        guard !isTakenUp.load(ordering: .relaxed) else { return }
        Task { [base] in try? await base.executeThenClose { _, _ in } }
    }
}
