internal import Dispatch
internal import Synchronization

/// Runs blocking work on threads of its own, never on those of Swift's tasks. At most `width` pieces run at a time; the
/// others wait in the order they came.
final class WorkQueue: Sendable {
    private let queues: [DispatchQueue]
    private let next = Atomic(0)

    init(label: String, width: Int) { queues = (0..<width).map { DispatchQueue(label: "\(label).\($0)") } }

    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return try await withCheckedThrowingContinuation { continuation in
            queues[turn % queues.count].async { continuation.resume(with: Result { try body() }) }
        }
    }
}
