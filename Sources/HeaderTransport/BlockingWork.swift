internal import Dispatch

/// The one bridge from async code to code that blocks: libcurl, files, decompressors.
public enum BlockingWork {
    // Not Swift's own threads: there is one a core, and a transfer that waits would keep the others from running.
    private static let queue = DispatchQueue(label: "kheader.blocking", attributes: .concurrent)

    /// Runs blocking work on a thread of its own.
    ///
    /// - Parameter body: is told by its argument when the task is cancelled, and shall then throw soon.
    public static func run<Value: Sendable>(
        _ body: @escaping @Sendable (Cancellation) throws -> Value
    ) async throws -> Value {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
                queue.async {
                    continuation.resume(
                        with: Result {
                            try cancellation.check()
                            return try body(cancellation)
                        })
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
    }
}
