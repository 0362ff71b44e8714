internal import Glibc
internal import Synchronization

/// Runs async code on the thread that asks for it, and on no other.
///
/// For a program that does one thing after the other and wants to be small: the threads of Dispatch, which otherwise carry
/// tasks, cost an agent a fifth of the CPU time of a whole check-in. `BlockingWork` blocks that one thread. Nothing may
/// wait for what another thread would have to bring, such as `Task.sleep`.
public enum SingleThread {
    /// Whether this task is one of those, and when its work is to end.
    @TaskLocal static var deadline: ContinuousClock.Instant?

    /// - Parameter deadline: what blocks looks at it, and throws ``DeadlinePassed`` when it is over.
    /// - Throws: what the work throws.
    public static func run<Value: Sendable>(
        until deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let executor = Executor()
        let outcome = Outcome<Value>()
        withExtendedLifetime(executor) {
            Task(executorPreference: executor) {
                do {
                    outcome.set(.success(try await $deadline.withValue(deadline) { try await work() }))
                } catch {
                    outcome.set(.failure(error))
                }
            }
            executor.runToTheEnd()
        }
        guard let result = outcome.result else {
            preconditionFailure("the work waits for what no other thread will bring")
        }
        return try result.get()
    }

    /// Waits, in a way that is right for the thread: as `Task.sleep`, or by blocking if there is no other.
    ///
    /// - Throws: `CancellationError`; ``DeadlinePassed``, at the deadline.
    public static func sleep(for duration: Duration) async throws {
        guard deadline == nil else { return try block(for: duration) }
        try await Task.sleep(for: duration)
    }

    private static func block(for duration: Duration) throws {
        let end = ContinuousClock.now + duration
        let wake = min(end, deadline ?? end)
        while case let rest = wake - .now, rest > .zero {
            let (seconds, attoseconds) = rest.components
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
            nanosleep(&time, nil)
        }
        if wake < end { throw DeadlinePassed() }
    }

    private final class Outcome<Value: Sendable>: Sendable {
        private let value = Mutex<Result<Value, any Error>?>(nil)
        var result: Result<Value, any Error>? { value.withLock { $0 } }
        func set(_ result: Result<Value, any Error>) { value.withLock { $0 = result } }
    }

    private final class Executor: TaskExecutor {
        private let jobs = Mutex<[UnownedJob]>([])

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            jobs.withLock { $0.append(job) }
        }

        func runToTheEnd() {
            while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
                job.runSynchronously(on: asUnownedTaskExecutor())
            }
        }
    }
}

/// The time for a piece of work is over.
public struct DeadlinePassed: ExitStatusProviding, CustomStringConvertible {
    public var exitStatus: ExitStatus { .unreachable }
    /// Who was waited for; nil if nobody was.
    var server: String?

    public var description: String {
        let place = server.map { " while waiting for \($0)" } ?? ""
        return "Gave up\(place): all the time that this may take is over. (time-limit)"
    }
}
