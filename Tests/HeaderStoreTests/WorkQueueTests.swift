import Dispatch
import Glibc
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct WorkQueueTests {
    @Test func aQueueOfOneRunsOneAtATime() async throws {
        let queue = WorkQueue(label: "test", width: 1)
        let tally = Tally()
        try await withThrowingTaskGroup { group in
            for _ in 0..<200 { group.addTask { try await queue.run { tally.enterAndLeave() } } }
            try await group.waitForAll()
        }
        #expect(tally.total == 200 && tally.most == 1)
    }

    private final class Tally: Sendable {
        private let state = Mutex((inside: 0, most: 0, total: 0))

        var total: Int { state.withLock { $0.total } }
        /// The most that were inside at a time.
        var most: Int { state.withLock { $0.most } }

        func enterAndLeave() {
            state.withLock { state in
                state.inside += 1
                state.total += 1
                state.most = max(state.most, state.inside)
            }
            sched_yield()
            state.withLock { $0.inside -= 1 }
        }
    }

    /// Two pieces that wait for one another end only if they run at the same time.
    @Test func aWiderQueueRunsThatMany() async throws {
        let queue = WorkQueue(label: "test", width: 2)
        let here = DispatchSemaphore(value: 0)
        let there = DispatchSemaphore(value: 0)
        async let one: Void = queue.run {
            here.signal()
            there.wait()
        }
        async let other: Void = queue.run {
            there.signal()
            here.wait()
        }
        _ = try await (one, other)
    }

    @Test func whatTheWorkThrowsIsThrown() async throws {
        struct Failure: Error {}
        let queue = WorkQueue(label: "test", width: 1)
        await #expect(throws: Failure.self) { try await queue.run { throw Failure() } }
        #expect(try await queue.run { 42 } == 42)
    }
}
