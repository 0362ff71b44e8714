internal import Dispatch
internal import Synchronization

/// Runs blocking work on threads of its own, never on those of Swift's tasks. At most `width` pieces run at a time; the
/// others wait in the order they came.
final class WorkQueue: Sendable {
    private let queues: [DispatchQueue]
    private let next = Atomic(0)

    init(label: String, width: Int) { queues = (0..<width).map { DispatchQueue(label: "\(label).\($0)") } }

    /// The same for one that is of width 1, on a thread that may wait; `body` must not wait for the caller's queue.
    func runNow<Value>(_ body: () throws -> Value) rethrows -> Value { try queues[0].sync(execute: body) }

    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return try await withCheckedThrowingContinuation { continuation in
            queues[turn % queues.count].async { continuation.resume(with: Result { try body() }) }
        }
    }
}
