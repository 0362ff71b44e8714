internal import Dispatch

/// The one bridge from async code to code that blocks: libcurl, files, decompressors.
public enum BlockingWork {
    /// Runs blocking work on a thread of its own; in ``SingleThread`` on that one.
    ///
    /// - Parameter body: is told by its argument when the task is cancelled, and shall then throw soon.
    public static func run<Value: Sendable>(
        _ body: @escaping @Sendable (Cancellation) throws -> Value
    ) async throws -> Value {
        let cancellation = Cancellation(deadline: SingleThread.deadline)
        return try await run(cancellation) { try body(cancellation) }
    }

    /// - Parameter cancellation: others may cancel it too.
    static func run<Value: Sendable>(
        _ cancellation: Cancellation, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        guard SingleThread.deadline == nil else {
            try cancellation.check()
            return try body()
        }
        // Not Swift's own threads, of which there is one a core: transfers that wait would keep all else from running.
        // And not a concurrent queue, which has no more threads than that; a serial one gets a thread of its own.
        let queue = DispatchQueue(label: "kheader.blocking")
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
                queue.async {
                    continuation.resume(
                        with: Result {
                            try cancellation.check()
                            return try body()
                        })
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
    }
}
