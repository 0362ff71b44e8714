import HeaderStore
import KernelHeaders
import Logging
import OperatorDocuments

/// Removes, once a day, the kernels that the rules do not keep, if the server is to, and forgets hosts that report no more.
struct RetentionTask {
    /// Seconds between two runs, in which the server runs: what passes between restarts adds up.
    static let period = 86_400
    /// Seconds after which it is noted how many passed.
    static let step = 600

    let store: HeaderStore
    let logger: Logger
    /// Waits; tests do not.
    var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    /// Goes on until its task is cancelled. First it waits: a new server, and one that was down for long, has not heard of
    /// its hosts.
    func run() async {
        while true {
            do {
                try await pause(.seconds(Self.step))
                guard try await store.waitForPrune(Self.step) >= Self.period else { continue }
                // First, so that a kernel that can't be removed does not keep hosts.
                let forgotten = try await store.forgetHosts()
                if forgotten != (0, 0) {
                    logger.notice(
                        "hosts that do not report any more are forgotten",
                        metadata: ["hosts": "\(forgotten.hosts)", "kernels": "\(forgotten.kernels)"])
                }
                if store.retention.isOn {
                    for removal in try await store.prune(store.retention, isDryRun: false).removals {
                        logger.notice(
                            "kernel removed",
                            metadata: ["buildID": "\(removal.buildID)", "reason": "\(removal.reason)"])
                    }
                }
                try await store.endWaitForPrune()
            } catch is CancellationError {
                return
            } catch {
                logger.error("kernels and hosts could not be removed", metadata: ["error": "\(error)"])
            }
        }
    }
}
