internal import Dispatch
internal import Synchronization

/// Runs blocking work on threads of its own, never on those of Swift's tasks. At most `width` pieces run at a time; the
/// others wait in the order they came.
final class WorkQueue: Sendable {
    private let queues: [DispatchQueue]
    private let next = Atomic(0)
    private let pending = Atomic(0)
    private let begun = Atomic(0)

    init(label: String, width: Int) { queues = (0..<width).map { DispatchQueue(label: "\(label).\($0)") } }

    /// Runs on a queue of width 1, and blocks until that is done: for work that is on another queue.
    func runAndWait<Value>(_ body: () throws -> Value) throws -> Value {
        precondition(queues.count == 1, "which of the queues?")
        return try queues[0].sync {
            begun.add(1, ordering: .relaxed)
            return try body()
        }
    }

    /// How many pieces of work were begun so far: what was planned by one holds for the next one only if there was none in
    /// between.
    var count: Int { begun.load(ordering: .relaxed) }

    /// Whether there is work under way, or waiting.
    var isBusy: Bool { pending.load(ordering: .relaxed) > 0 }

    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
        pending.add(1, ordering: .relaxed)
        defer { pending.subtract(1, ordering: .relaxed) }
        return try await withCheckedThrowingContinuation { continuation in
            queues[turn % queues.count].async {
                self.begun.add(1, ordering: .relaxed)
                continuation.resume(with: Result { try body() })
            }
        }
    }
}
