import OperatorDocuments
import Testing

@Suite struct StoreVerificationTests {
    /// An alert must not end because a round begins.
    @Test func whatWasFoundCountsUntilARoundFindsNothing() {
        var verification = StoreVerification()
        #expect(verification.lastFound == 0)
        (verification.state, verification.round) = (.running, 2)
        verification.earlier = .init(round: 1, started: nil, found: 3, findings: [])
        #expect(verification.lastFound == 3)
        verification.found = 1
        #expect(verification.lastFound == 1)
        (verification.state, verification.found) = (.idle, 0)
        #expect(verification.lastFound == 0)
        (verification.state, verification.round) = (.running, 3)
        #expect(verification.lastFound == 0)
    }
}
