import FoundationEssentials
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import HeaderTransport

/// Check-ins against a server of a few lines.
@Suite struct SightingTests {
    private static func sighting() throws -> Sighting {
        Sighting(
            host: try #require(HostID(bytes: [UInt8](repeating: 7, count: HostID.length))), bootID: "boot",
            agent: "a/1",
            kernel: KernelIdentity(buildID: try #require(BuildID(bytes: [1, 2])), release: "6.1.0"),
            steps: [CollectStep(.sysfs, .usable)],
            offers: [
                ArtefactOffer(.headers, origin: .sysfs, bytes: 4, digest: .init(of: [1])),
                ArtefactOffer(.btf, bytes: 9),
            ])
    }

    private static let verdicts = [
        ArtefactVerdict(.headers, .upload, .first, "Do.", claim: "0123abc", seconds: 60),
        ArtefactVerdict(.btf, .have, .known, "No."),
    ]

    private static func answer(_ verdicts: [ArtefactVerdict]) throws -> String {
        let answer = SightingAnswer(verdicts: verdicts, time: 1_700_000_000)
        return .response(200, String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    }

    private func withServers(
        _ scripts: [String]..., body: (HeaderServerClient, [ScriptedServer], Pauses) async throws -> Void
    ) async throws {
        let pauses = Pauses()
        try await withTemporaryFolder { folder in
            let servers = try scripts.enumerated().map { index, answers in
                try ScriptedServer(in: folder, answers.map { Array($0.utf8) }, name: "socket\(index)")
            }
            defer { for server in servers { server.stop() } }
            var client = HeaderServerClient(servers: servers.map(\.address), program: "kheader-agent")
            client.pause = { pauses.add($0) }
            client.stagger = { Issue.record("a report is not raced") }
            try await body(client, servers, pauses)
        }
    }

    private final class Pauses: Sendable {
        private let all = Mutex<[Duration]>([])
        var seen: [Duration] { all.withLock { $0 } }
        func add(_ pause: Duration) { all.withLock { $0.append(pause) } }
    }

    @Test func aSightingIsPostedAndAnswered() async throws {
        try await withServers([try Self.answer(Self.verdicts)]) { client, servers, _ in
            let (answer, server) = try await client.report(try Self.sighting())
            #expect(answer == SightingAnswer(verdicts: Self.verdicts, time: 1_700_000_000))
            #expect(server == servers[0].address)
            let request = try #require(servers[0].seen.first)
            #expect(request.head.hasPrefix("POST /v1/kernels/0102/sightings HTTP/1.1\r\n"))
            #expect(request.head.contains("\r\nContent-Type: application/json\r\n"))
            #expect(try JSONDecoder().decode(Sighting.self, from: Data(request.body)) == Self.sighting())
        }
    }

    /// It changes nothing more when it comes twice.
    @Test func aReportIsSentAgainAfterWhatABusyServerSays() async throws {
        let busy = String.response(429, fields: "Retry-After: 2\r\n")
        try await withServers([busy, try Self.answer(Self.verdicts)]) { client, servers, pauses in
            _ = try await client.report(try Self.sighting())
            #expect(servers[0].seen.count == 2 && servers[0].seen[0].body == servers[0].seen[1].body)
            #expect(pauses.seen.count == 1 && pauses.seen.allSatisfy { $0 >= .seconds(2) })
        }
        try await withServers([.response(503, fields: "Retry-After: 61\r\n"), ""]) { client, servers, _ in
            await #expect { try await client.report(try Self.sighting()) } throws: { ExitStatus($0) == .unreachable }
            #expect(servers[0].seen.count == 1)
        }
    }

    @Test func aRedirectLosesNothingOfIt() async throws {
        for status in [301, 302, 307, 308] {
            let redirect = String.response(status, fields: "Location: /elsewhere\r\n")
            try await withServers([redirect, try Self.answer(Self.verdicts)]) { client, servers, _ in
                _ = try await client.report(try Self.sighting())
                #expect(servers[0].seen[1].head.hasPrefix("POST /elsewhere "))
                #expect(servers[0].seen[1].body == servers[0].seen[0].body)
            }
        }
    }

    @Test func theNextServerIsToldWhenOneIsAwayAndTheOneThatAnsweredIsNamed() async throws {
        try await withServers([], [try Self.answer(Self.verdicts)]) { client, servers, _ in
            let (_, server) = try await client.report(try Self.sighting())
            #expect(server == servers[1].address)
            #expect(client.only(server).servers == [server])
        }
        // A no is not carried elsewhere.
        try await withServers([.response(404)], [try Self.answer(Self.verdicts)]) { client, servers, _ in
            await #expect(throws: ServerRefusal.self) { try await client.report(try Self.sighting()) }
            #expect(servers.map(\.seen.count) == [1, 0])
        }
    }

    private static let unusable: [[ArtefactVerdict]] = [
        [], [verdicts[0]], [verdicts[1], verdicts[0]], verdicts + [verdicts[1]],
        [ArtefactVerdict(.headers, .upload, .first, "No claim."), verdicts[1]],
        [ArtefactVerdict(.headers, .upload, .first, "", claim: "", seconds: 1), verdicts[1]],
        [ArtefactVerdict(.headers, .upload, .first, "", claim: "a\r\nHost: b", seconds: 1), verdicts[1]],
        [ArtefactVerdict(.headers, .upload, .first, "", claim: String(repeating: "c", count: 257)), verdicts[1]],
        [ArtefactVerdict(.headers, .wait, .busy, "", seconds: -1), verdicts[1]],
        [ArtefactVerdict(.headers, .wait, .busy, "", seconds: .max), verdicts[1]],
    ]

    @Test(arguments: unusable) func anAnswerThatCannotBeFollowedIsNone(verdicts: [ArtefactVerdict]) async throws {
        try await withServers([try Self.answer(verdicts)]) { client, _, _ in
            await #expect {
                try await client.report(try Self.sighting())
            } throws: {
                if case TransportError.badAnswer = $0 { true } else { false }
            }
        }
    }

    @Test func anAnswerHasALimit() async throws {
        var verdicts = Self.verdicts
        verdicts[0].detail = String(repeating: "x", count: HeaderServerClient.answerLimit)
        try await withServers([try Self.answer(verdicts)]) { client, _, _ in
            await #expect { try await client.report(try Self.sighting()) } throws: { "\($0)".contains("more than") }
        }
    }

    private static let nonsense: [String] = [
        // Interim answers without end, fields without end, with and without a colon, no status line.
        String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 100_000),
        "HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 100_000),
        "HTTP/1.1 200 OK\r\n" + String(repeating: "nothing\r\n", count: 100_000),
        "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 1_000_000),
        String(repeating: "SSH-2.0-OpenSSH\r\n", count: 10_000),
        // Chunks that are none, and trailers without end.
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
            + String(repeating: "X: y\r\n", count: 100_000),
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        "HTTP/1.1 999999999999 OK\r\n\r\n", "\0\0\0\0",
    ]

    @Test(arguments: nonsense.indices) func aServerThatTalksNonsenseIsGivenUp(index: Int) async throws {
        let answers = [String](repeating: Self.nonsense[index], count: 1 + RetryPolicy.retries)
        try await withServers(answers) { client, servers, _ in
            await #expect(throws: TransportError.self) { try await client.report(try Self.sighting()) }
            #expect((1...answers.count) ~= servers[0].seen.count)
        }
    }

    @Test func aReportThatIsCancelledEndsThoughTheServerIsSilent() async throws {
        try await withTemporaryFolder { folder in
            let (requests, request) = AsyncStream.makeStream(of: Void.self)
            let server = try ScriptedServer(in: folder, []) {
                request.yield()
                return false
            }
            defer { server.stop() }
            let client = HeaderServerClient(servers: [server.address])
            let call = Task { try await client.report(try Self.sighting()) }
            for await _ in requests { break }
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
        }
    }
}
