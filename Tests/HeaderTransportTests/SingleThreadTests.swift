import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// Async work on one thread, with an end.
@Suite struct SingleThreadTests {
    @Test func workRunsOnTheThreadThatAsksAndOnNoOther() throws {
        let own = pthread_self()
        let threads = try SingleThread.run(until: .now + .seconds(60)) {
            try await withThrowingTaskGroup(of: pthread_t.self) { group in
                for _ in 0..<4 { group.addTask { try await BlockingWork.run { _ in pthread_self() } } }
                return try await group.reduce(into: Set([pthread_self()])) { $0.insert($1) }
            }
        }
        #expect(threads == [own])
    }

    @Test func whatTheWorkThrowsIsThrown() {
        #expect(throws: Problem.self) {
            try SingleThread.run(until: .now + .seconds(60)) { throw Problem(.diskFull, "full") }
        }
    }

    @Test func aPauseEndsWithTheTime() {
        let start = ContinuousClock.now
        #expect(throws: DeadlinePassed.self) {
            try SingleThread.run(until: .now + .milliseconds(20)) { try await SingleThread.sleep(for: .seconds(3600)) }
        }
        #expect(ContinuousClock.now - start < .seconds(600))
    }

    @Test func blockingWorkIsToldThatTheTimeIsOver() {
        #expect(throws: DeadlinePassed.self) {
            try SingleThread.run(until: .now + .milliseconds(20)) {
                try await BlockingWork.run { cancellation in
                    while true { try cancellation.check() }
                }
            }
        }
    }

    /// A file that is large enough to be sent in parts goes by another way than questions.
    @Test func anUploadToAServerThatSaysNothingEndsWithTheTime() async throws {
        let error: DeadlinePassed? = try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, [[]]) { false }
            let client = HeaderServerClient(servers: [server.address])
            let file = try UploadFile(
                bytes: [UInt8](repeating: 1, count: 2 << 20), name: "large", cancellation: Cancellation())
            let identity = KernelIdentity(buildID: try #require(BuildID("0011")))
            return try await BlockingWork.run { _ in
                do {
                    _ = try SingleThread.run(until: .now + .milliseconds(300)) {
                        try await client.push(file, as: identity, source: .agent)
                    }
                    return nil
                } catch let error as DeadlinePassed {
                    return error
                }
            }
        }
        #expect(error?.description.contains("while waiting for unix:") == true)
    }
}
