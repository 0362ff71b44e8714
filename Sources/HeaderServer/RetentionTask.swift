import HeaderStore
import KernelHeaders
import Logging
import OperatorDocuments

/// Removes, once a day, the kernels that the rules do not keep.
struct RetentionTask {
    static let period = Duration.seconds(86_400)

    let store: HeaderStore
    let logger: Logger
    /// Waits; tests do not.
    var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    /// Goes on until its task is cancelled. First it waits: a server that was down for long has not heard of its hosts.
    func run() async {
        while true {
            do {
                try await pause(Self.period)
                let report = try await store.prune(store.retention, isDryRun: false)
                for removal in report.removals {
                    logger.notice(
                        "kernel removed",
                        metadata: ["buildID": "\(removal.buildID)", "reason": "\(removal.reason)"])
                }
            } catch is CancellationError {
                return
            } catch {
                logger.error("kernels could not be removed", metadata: ["error": "\(error)"])
            }
        }
    }
}
