import Testing

@testable import HeaderTransport

@Suite struct RetryPolicyTests {
    /// Gives the same number each time. `.max` makes the jitter 1. 1 makes it 0; the number 0 itself is one that
    /// `Double.random` discards, over and over.
    private struct Constant: RandomNumberGenerator {
        let value: UInt64
        func next() -> UInt64 { value }
    }

    private let failed = RetryPolicy.Event.failed(isTransient: true)

    private func action(
        _ policy: inout RetryPolicy, _ event: RetryPolicy.Event, of server: Int = 0, jitter: UInt64 = 1
    ) -> RetryPolicy.Action {
        var generator = Constant(value: jitter)
        return policy.action(after: event, of: server, using: &generator)
    }

    @Test func oneServerIsAskedFourTimes() {
        var policy = RetryPolicy(servers: 1, isRead: true)
        for _ in 0..<3 { #expect(action(&policy, failed) == .ask(server: 0, after: .zero)) }
        #expect(action(&policy, failed) == .stop)
    }

    @Test func pausesDoubleUpToALimitAndHaveFullJitter() {
        var policy = RetryPolicy(servers: 1, isRead: true)
        var longest: [Duration] = []
        while case .ask(_, let pause) = action(&policy, failed, jitter: .max) { longest.append(pause) }
        #expect(longest == [.milliseconds(500), .seconds(1), .seconds(2)])
        // Four clients with other random numbers come back at other times.
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            var policy = RetryPolicy(servers: 1, isRead: true)
            guard case .ask(_, let pause) = policy.action(after: failed, of: 0, using: &generator) else {
                Issue.record("no second attempt")
                return
            }
            #expect((.zero)...(RetryPolicy.firstPause) ~= pause)
        }
    }

    @Test func theNextServerIsAskedAtOnceAndARoundLaterThePauseComes() {
        var policy = RetryPolicy(servers: 3, isRead: true)
        #expect(action(&policy, failed, jitter: .max) == .ask(server: 1, after: .zero))
        #expect(action(&policy, failed, of: 1, jitter: .max) == .ask(server: 2, after: .zero))
        #expect(action(&policy, failed, of: 2, jitter: .max) == .ask(server: 0, after: RetryPolicy.firstPause))
    }

    @Test(arguments: [429, 502, 503, 504])
    func aBusyServerIsAskedAgain(status: Int) {
        var policy = RetryPolicy(servers: 1, isRead: false)
        #expect(action(&policy, .answered(status: status, retryAfter: nil)) == .ask(server: 0, after: .zero))
    }

    @Test func retryAfterIsTheLeastPause() {
        var policy = RetryPolicy(servers: 2, isRead: true)
        _ = action(&policy, .answered(status: 503, retryAfter: 7))
        let next = action(&policy, .answered(status: 429, retryAfter: 3), of: 1, jitter: .max)
        #expect(next == .ask(server: 0, after: .seconds(7) + RetryPolicy.firstPause))
    }

    @Test func aRetryAfterBeyondTheLimitIsNotWaitedFor() {
        var patient = RetryPolicy(servers: 1, isRead: true)
        let limit = RetryPolicy.longestRetryAfter
        #expect(
            action(&patient, .answered(status: 503, retryAfter: limit)) == .ask(server: 0, after: .seconds(limit)))
        var asked = RetryPolicy(servers: 1, isRead: true)
        #expect(action(&asked, .answered(status: 503, retryAfter: limit + 1)) == .stop)
    }

    @Test(arguments: [400, 401, 403, 409, 413, 415, 422, 304])
    func aRefusalIsTheLastWord(status: Int) {
        var policy = RetryPolicy(servers: 2, isRead: true)
        #expect(action(&policy, .answered(status: status, retryAfter: nil)) == .stop)
    }

    @Test(arguments: [404, 500, 507])
    func aQuestionGoesOnToTheNextServerButAnUploadDoesNot(status: Int) {
        var question = RetryPolicy(servers: 2, isRead: true)
        #expect(action(&question, .answered(status: status, retryAfter: nil)) == .ask(server: 1, after: .zero))
        // Somebody did answer: no further round.
        #expect(action(&question, failed, of: 1) == .stop)
        var upload = RetryPolicy(servers: 2, isRead: false)
        #expect(action(&upload, .answered(status: status, retryAfter: nil)) == .stop)
    }

    @Test func whatWillNotGetBetterIsNotTriedAgain() {
        var policy = RetryPolicy(servers: 2, isRead: true)
        #expect(action(&policy, .failed(isTransient: false)) == .ask(server: 1, after: .zero))
        #expect(action(&policy, .failed(isTransient: false), of: 1) == .stop)
    }

    @Test func hopeIsForOneRoundOnly() {
        var policy = RetryPolicy(servers: 1, isRead: true)
        #expect(action(&policy, failed) == .ask(server: 0, after: .zero))
        #expect(action(&policy, .failed(isTransient: false)) == .stop)
    }

    @Test func aSlowServerIsJoinedByTheNextOneAfterTheOther() {
        var policy = RetryPolicy(servers: 3, isRead: true)
        #expect(policy.staggers)
        #expect(policy.staggerEnded() == 1)
        #expect(policy.staggerEnded() == 2)
        #expect(!policy.staggers)
        #expect(policy.staggerEnded() == nil)
        // The round is over when all of them have failed, in whatever order.
        #expect(action(&policy, failed, of: 1) == .wait)
        #expect(action(&policy, failed, of: 0) == .wait)
        #expect(action(&policy, failed, of: 2) == .ask(server: 0, after: .zero))
        #expect(policy.staggerEnded() == 1)
    }

    @Test func whoFailsMakesRoomAtOnceForTheNext() {
        var policy = RetryPolicy(servers: 3, isRead: true)
        #expect(policy.staggerEnded() == 1)
        #expect(action(&policy, failed, of: 0) == .ask(server: 2, after: .zero))
        #expect(action(&policy, .answered(status: 404, retryAfter: nil), of: 2) == .wait)
        #expect(action(&policy, failed, of: 1) == .stop)
    }

    @Test func uploadsAndSingleServersHaveNoOneBesideThem() {
        var upload = RetryPolicy(servers: 2, isRead: false)
        #expect(!upload.staggers)
        #expect(upload.staggerEnded() == nil)
        #expect(!RetryPolicy(servers: 1, isRead: true).staggers)
    }

    @Test func whoWasOvertakenIsAskedAgainIfTheFasterOneBreaksOff() {
        var policy = RetryPolicy(servers: 3, isRead: true)
        #expect(policy.staggerEnded() == 1)
        // 1 answers first, 0 is let go.
        #expect(action(&policy, .overtaken, of: 0) == .wait)
        #expect(action(&policy, failed, of: 1) == .ask(server: 0, after: .zero))
        #expect(action(&policy, failed, of: 0) == .ask(server: 2, after: .zero))
        // The other way round: the winner has failed before the other was gone.
        var late = RetryPolicy(servers: 2, isRead: true)
        #expect(late.staggerEnded() == 1)
        #expect(action(&late, failed, of: 1) == .wait)
        #expect(action(&late, .overtaken, of: 0) == .ask(server: 0, after: .zero))
    }

    @Test func aLastWordEndsItThoughOthersAreAtIt() {
        var policy = RetryPolicy(servers: 2, isRead: true)
        #expect(policy.staggerEnded() == 1)
        #expect(action(&policy, .answered(status: 403, retryAfter: nil), of: 1) == .stop)
    }

    /// Tests and patient callers ask for many.
    @Test func thePausesOfVeryManyRoundsStayBounded() {
        var policy = RetryPolicy(servers: 1, isRead: true, retries: 200)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let action = policy.action(after: .failed(isTransient: true), of: 0, using: &generator)
            guard case .ask(0, let pause) = action else {
                Issue.record("\(action)")
                return
            }
            #expect((.zero...RetryPolicy.longestPause).contains(pause))
        }
    }
}
