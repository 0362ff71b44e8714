import HeaderTransport
import HostAgent
import Testing

@Suite struct TimeLimitTests {
    @Test func workThatEndsInTimeIsWhatItIs() async throws {
        #expect(try await TimeLimit.run(.seconds(3600)) { 7 } == 7)
        await #expect(throws: CancellationError.self) {
            try await TimeLimit.run(.seconds(3600)) { throw CancellationError() }
        }
    }

    @Test func workThatDoesNotIsCancelled() async throws {
        let error = await #expect(throws: TimeLimit.Exceeded.self) {
            try await TimeLimit.run(.milliseconds(1)) { try await Task.sleep(for: .seconds(3600)) }
        }
        #expect(error?.exitStatus == .unreachable)
        #expect(error?.description.contains("--total-time") == true)
    }
}
