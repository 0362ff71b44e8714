import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

/// What is remembered of reports, by itself. See `KeptAnswerTests` for when it counts.
@Suite struct KnownReportsTests {
    private static let verdicts = [ArtefactVerdict(.btf, .have, .known, "The server has it.")]

    private static func digest(_ number: Int) -> KernelHeaders.Digest { .init(of: Array("\(number)".utf8)) }

    private static func remember(
        _ digest: Int, of host: Int, verdicts: [ArtefactVerdict] = verdicts, in known: inout KnownReports
    ) {
        known.remember(
            Self.digest(digest), of: UploadClaimsTests.host(host), kernel: UploadClaimsTests.kernel(1),
            basis: .init(), verdicts: verdicts)
    }

    private static func hosts(_ numbers: some Sequence<Int>, in known: KnownReports) -> [Int] {
        numbers.filter { known.report(digest($0))?.host == UploadClaimsTests.host($0) }
    }

    @Test func ofEachHostItIsTheLatest() {
        var known = KnownReports()
        Self.remember(1, of: 1, in: &known)
        Self.remember(2, of: 2, in: &known)
        Self.remember(11, of: 1, in: &known)
        #expect(known.report(Self.digest(1)) == nil)
        #expect(known.report(Self.digest(11))?.host == UploadClaimsTests.host(1))
        known.forget(UploadClaimsTests.host(1))
        known.forget(UploadClaimsTests.host(3))
        #expect(known.report(Self.digest(11)) == nil)
        #expect(Self.hosts([2], in: known) == [2] && known.count == 1)
    }

    @Test func beyondSoManyHostsTheFirstAreForgotten() {
        var known = KnownReports(capacity: 3)
        for host in 1...3 { Self.remember(host, of: host, in: &known) }
        // Who reports again takes no other's place.
        for round in 1...9 { Self.remember(30 + round, of: 3, in: &known) }
        Self.remember(3, of: 3, in: &known)
        #expect(Self.hosts(1...3, in: known) == [1, 2, 3])
        for host in 4...5 { Self.remember(host, of: host, in: &known) }
        #expect(Self.hosts(1...5, in: known) == [3, 4, 5] && known.count == 3)
        // A place that is free is taken first.
        known.forget(UploadClaimsTests.host(4))
        Self.remember(6, of: 6, in: &known)
        #expect(Self.hosts(1...6, in: known) == [3, 5, 6])
        Self.remember(7, of: 7, in: &known)
        #expect(Self.hosts(1...7, in: known) == [5, 6, 7])
    }

    @Test func thereIsALimit() {
        var known = KnownReports()
        let most = KnownReports.maximumHosts
        for host in 1...most + 1 { Self.remember(host, of: host, in: &known) }
        #expect(known.count == most)
        #expect(Self.hosts([1, 2, most, most + 1], in: known) == [2, most, most + 1])
    }

    @Test func theSameVerdictsHaveTheSameNumber() throws {
        var known = KnownReports()
        for host in 1...4 {
            let verdicts = host % 2 == 0 ? [] : Self.verdicts
            Self.remember(host, of: host, verdicts: verdicts, in: &known)
        }
        let answers = try (1...4).map { known.answer(to: try #require(known.report(Self.digest($0)))) }
        #expect(answers.map(\.number) == [0, 1, 0, 1])
        #expect(answers.map(\.verdicts) == [Self.verdicts, [], Self.verdicts, []])
    }
}
