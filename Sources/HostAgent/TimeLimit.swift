public import HeaderTransport

/// Bounds the whole of a piece of work, whatever it waits for.
public enum TimeLimit {
    /// The work took longer than it may.
    public struct Exceeded: ExitStatusProviding, CustomStringConvertible {
        public let limit: Duration
        public var exitStatus: ExitStatus { .unreachable }
        public var description: String {
            "Gave up after \(limit.components.seconds) s, which is all the time a check-in has (--total-time). (time-limit)"
        }
    }

    /// Runs the work, and cancels it when its time is over.
    ///
    /// - Throws: ``Exceeded``; what the work throws.
    public static func run<Value: Sendable>(
        _ limit: Duration, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() ?? nil else { throw Exceeded(limit: limit) }
            return value
        }
    }
}
