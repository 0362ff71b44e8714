import FoundationEssentials
@testable import HeaderTransport
@testable import HostAgent
import KernelHeaders
import Synchronization
import Testing

/// What an agent does with a server's answers.
@Suite struct CheckInTests {
    private static let have = ArtefactVerdict(.headers, .have, .known, "It is here.")
    private static let upload = ArtefactVerdict(.headers, .upload, .first, "Send it.", claim: "c1", seconds: 60)
    private static let wait = ArtefactVerdict(.headers, .wait, .beingUploaded, "Another sends it.", seconds: 5)

    /// A check-in whose pauses take no time and are noted.
    private func checkIn(
        _ host: SimulatedHost, _ server: ScriptedCheckInServer, minutes: Int = 10
    ) async throws -> (report: CheckInReport, pauses: [Duration]) {
        let pauses = Mutex<[Duration]>([])
        let start = ContinuousClock.now
        var checkIn = CheckIn(
            host: host, server: server, deadline: start + .seconds(60 * minutes), log: AgentLog { _, _ in })
        checkIn.pause = { pause in pauses.withLock { $0.append(pause) } }
        checkIn.now = { start + pauses.withLock { $0.reduce(.zero, +) } }
        let report = try await checkIn.run()
        return (report, pauses.withLock { $0 })
    }

    private func outcome(_ report: CheckInReport, _ artefact: Artefact = .headers) -> CheckInReport.Outcome? {
        report.results.first { $0.artefact == artefact }?.outcome
    }

    @Test func whatTheServerHasIsNotCollected() async throws {
        let host = try SimulatedHost()
        let server = ScriptedCheckInServer([Self.have])
        let (report, pauses) = try await checkIn(host, server)
        #expect(outcome(report) == .have && outcome(report, .btf) == .nothing)
        #expect(report.exitStatus == .done)
        #expect(server.sightings.count == 1 && server.uploads.isEmpty && pauses.isEmpty)
        #expect(host.collections(of: .headers) == 0)
        let sighting = try #require(server.sightings.first)
        #expect(sighting.host == host.identity.host && sighting.bootID == host.identity.bootID)
        #expect(sighting.kernel == host.kernel && sighting.steps == [CollectStep(.sysfs, .usable)])
        #expect(sighting.offers.first?.bytes == 3 && sighting.offers.first?.digest != nil)
    }

    @Test func whatTheServerWantsIsUploadedUnderItsClaim() async throws {
        let host = try SimulatedHost(1, [.headers: [1], .btf: [2]])
        let server = ScriptedCheckInServer([
            Self.upload, ArtefactVerdict(.btf, .upload, .first, "Send it.", claim: "c2", seconds: 60),
        ])
        let (report, _) = try await checkIn(host, server)
        #expect(report.results.map(\.outcome) == [.uploaded, .uploaded])
        #expect(server.uploads.map(\.claim) == ["c1", "c2"])
        #expect(server.uploads.map(\.origin) == [.sysfs, nil])
        #expect(server.sightings.count == 1)
    }

    @Test func whatCannotBeCollectedGivesTheClaimBack() async throws {
        let host = try SimulatedHost(1, [:], isDeferred: true, offers: [.headers])
        let server = ScriptedCheckInServer([Self.upload])
        let (report, _) = try await checkIn(host, server)
        #expect(outcome(report) == .notCollected)
        #expect(report.exitStatus == .notFound)
        #expect(server.sightings.map(\.offers.count) == [1, 0])
        #expect(server.sightings.last?.steps == [CollectStep(.sysfs, .damaged, "as the test wants it")])
        #expect(server.uploads.isEmpty)
    }

    @Test func aSecondOpinionIsADigestAndNoUpload() async throws {
        let host = try SimulatedHost(isDeferred: true)
        let server = ScriptedCheckInServer(
            [ArtefactVerdict(.headers, .have, .secondOpinion, "Which digest?", wantsDigest: true)],
            [ArtefactVerdict(.headers, .have, .agreed, "The same.")])
        let (report, _) = try await checkIn(host, server)
        #expect(outcome(report) == .have && report.results.first?.reason == "agreed")
        #expect(server.sightings.map { $0.offers.first?.digest == nil } == [true, false])
        #expect(server.uploads.isEmpty)
        #expect(host.collections(of: .headers) == 1)
    }

    @Test func aServerThatAsksForADigestForEverIsAskedNoMoreThanTwice() async throws {
        let server = ScriptedCheckInServer(
            [ArtefactVerdict(.headers, .have, .secondOpinion, "Which digest?", wantsDigest: true)])
        let (report, _) = try await checkIn(try SimulatedHost(isDeferred: true), server)
        #expect(outcome(report) == .have)
        #expect(server.sightings.count == 2)
    }

    @Test func whoWaitsAsksAgain() async throws {
        let server = ScriptedCheckInServer([Self.wait], [Self.wait], [Self.have])
        let (report, pauses) = try await checkIn(try SimulatedHost(), server)
        #expect(outcome(report) == .have)
        #expect(pauses.count == 2 && pauses.allSatisfy { (.seconds(5)...Duration.seconds(10)).contains($0) })
    }

    @Test func waitingEndsWithTheTime() async throws {
        let server = ScriptedCheckInServer([Self.wait])
        let (report, pauses) = try await checkIn(try SimulatedHost(), server, minutes: 1)
        #expect(outcome(report) == .waiting)
        #expect(report.exitStatus == .done)
        #expect(pauses.reduce(.zero, +) < .seconds(60) && pauses.count >= 5)
    }

    @Test(arguments: [(Int.min, 1), (0, 1), (Int.max, 600)])
    func aServersIdeaOfAPauseIsBounded(seconds: Int, taken: Int) async throws {
        let server = ScriptedCheckInServer(
            [ArtefactVerdict(.headers, .wait, .busy, "Later.", seconds: seconds)], [Self.have])
        let (_, pauses) = try await checkIn(try SimulatedHost(), server, minutes: 60)
        #expect(pauses.count == 1)
        #expect(pauses.allSatisfy { (.seconds(taken)...Duration.seconds(2 * taken)).contains($0) })
    }

    @Test func aClaimThatHasGoneIsAskedForAgain() async throws {
        let stale = try refusal(.claimStale)
        let server = ScriptedCheckInServer([Self.upload], [Self.have], refusals: [stale])
        let (report, _) = try await checkIn(try SimulatedHost(), server)
        #expect(outcome(report) == .have)
        #expect(server.uploads.count == 1 && server.sightings.count == 2)
    }

    @Test func aServerThatNeverHasEnoughIsLeft() async throws {
        let server = ScriptedCheckInServer(
            [Self.upload], refusals: try (0..<100).map { _ in try refusal(.claimStale) })
        let (report, _) = try await checkIn(try SimulatedHost(), server)
        #expect(outcome(report) == .nothing)
        #expect(server.sightings.count == CheckIn.maximumRounds)
    }

    @Test(arguments: [
        (ProblemCode.treeConflict, CheckInReport.Outcome.conflict), (.archiveCorrupt, .refused),
    ])
    func anUploadThatIsTurnedDownIsSaidSo(code: ProblemCode, outcome: CheckInReport.Outcome) async throws {
        let server = ScriptedCheckInServer([Self.upload], refusals: [try refusal(code)])
        let (report, _) = try await checkIn(try SimulatedHost(), server)
        #expect(self.outcome(report) == outcome)
        #expect(report.results.first?.reason == code.rawValue)
        #expect(report.exitStatus == .refused)
    }

    @Test func anUploadThatFailsOtherwiseFailsTheCheckIn() async throws {
        let server = ScriptedCheckInServer([Self.upload], refusals: [try refusal(.diskFull)])
        let host = try SimulatedHost()
        await #expect(throws: ServerRefusal.self) { _ = try await checkIn(host, server) }
    }

    @Test(arguments: [
        (ArtefactVerdict.Answer.conflict, CheckInReport.Outcome.conflict), (.refused, .refused), (.unknown, .refused),
    ])
    func aNoIsSaidSo(answer: ArtefactVerdict.Answer, outcome: CheckInReport.Outcome) async throws {
        let server = ScriptedCheckInServer([ArtefactVerdict(.headers, answer, .digestDiffers, "No.")])
        let (report, _) = try await checkIn(try SimulatedHost(), server)
        #expect(self.outcome(report) == outcome)
        #expect(report.exitStatus == .refused)
    }

    private func refusal(_ code: ProblemCode) throws -> ServerRefusal {
        ServerRefusal(
            status: code.status, mediaType: Problem.mediaType,
            body: Array(try JSONEncoder().encode(Problem(code, "No."))),
            server: "http://test")
    }
}
