import KernelHeaders
import ServiceLifecycle
import Synchronization

/// Between the signal that ends the server and its end: whoever sends requests here is told, by `/readyz`, to send them
/// elsewhere, while what comes nevertheless is still answered.
///
/// It stands last among the services, so that it is told of the end first, and the others when it has returned.
final class ServerLifecycle: Service, Sendable {
    private let seconds: Int
    private let draining = Atomic(false)

    /// - Parameter seconds: for how long connections are still taken.
    init(drainSeconds seconds: Int) { self.seconds = seconds }

    func run() async throws {
        try await gracefulShutdown()
        draining.store(true, ordering: .relaxed)
        try await Task.sleep(for: .seconds(seconds))
    }

    /// - Throws: `Problem` with `server-draining`.
    func requireRunning() throws {
        guard !draining.load(ordering: .relaxed) else {
            throw Problem(.serverDraining, "This server is about to end. Ask another one, or this one again later.")
        }
    }
}
