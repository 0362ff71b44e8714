import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing
import TracingClient

@testable import HeaderTransport

/// The client against a server of a few lines; the real one is in the tests of commands.
@Suite struct HeaderServerClientTests {
    private let id = BuildID(bytes: [0xAB, 0xCD])
    private static let status = StoreStatus(
        kernels: 2, trees: 2, conflicts: 0, blobs: 3, files: 4, rawBytes: 5, blobBytes: 6, packs: 1, packBytes: 7,
        catalogueBytes: 8, bundleBytes: 9)

    private static func json(_ document: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(document), as: UTF8.self)
    }

    /// Runs a body against scripted servers, with a client that does not wait between rounds.
    @discardableResult
    private func withServers<Value>(
        _ scripts: [[String]],
        _ body: (HeaderServerClient, [ScriptedServer], Pauses) async throws -> Value
    ) async throws -> Value {
        let pauses = Pauses()
        return try await withTemporaryFolder { folder in
            let servers = try scripts.enumerated().map { index, answers in
                try ScriptedServer(in: folder, answers.map { Array($0.utf8) }, name: "socket\(index)")
            }
            defer { for server in servers { server.stop() } }
            var client = HeaderServerClient(servers: servers.map(\.address), program: "kheader")
            client.pause = { pauses.add($0) }
            // Nobody is slow here.
            client.stagger = { try await Task.sleep(for: .seconds(3600)) }
            return try await body(client, servers, pauses)
        }
    }

    private final class Pauses: Sendable {
        private let all = Mutex<[Duration]>([])
        var seen: [Duration] { all.withLock { $0 } }
        func add(_ pause: Duration) { all.withLock { $0.append(pause) } }
    }

    @Test func aDocumentIsAskedForAndRead() async throws {
        try await withServers([[.response(200, try Self.json(Self.status))]]) { client, servers, _ in
            let status = try await client.store()
            #expect(status == Self.status)
            let head = try #require(servers[0].seen.first).head
            #expect(head.hasPrefix("GET /v1/store HTTP/1.1\r\n"))
            #expect(head.contains("User-Agent: kheader/\(ReleaseVersion.current)\r\n"))
        }
    }

    @Test func aBusyServerIsAskedAgainAfterWhatItSays() async throws {
        let busy = String.response(503, fields: "Retry-After: 2\r\n")
        try await withServers([[busy, busy, .response(200, try Self.json(Self.status))]]) { client, servers, pauses in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers[0].seen.count == 3)
            #expect(pauses.seen.count == 2)
            #expect(pauses.seen.allSatisfy { $0 >= .seconds(2) })
        }
    }

    @Test func aServerThatStaysBusyIsReported() async throws {
        try await withServers([[String](repeating: .response(503), count: 9)]) { client, servers, _ in
            await #expect { try await client.store() } throws: { ExitStatus($0) == .unreachable }
            #expect(servers[0].seen.count == 1 + RetryPolicy.retries)
        }
    }

    @Test func aServerThatHangsUpIsUnreachableAfterRetries() async throws {
        try await withServers([[]]) { client, servers, _ in
            await #expect { try await client.store() } throws: { error in
                if case TransportError.unreachable(let server, _, true) = error {
                    server.hasPrefix("unix:")
                } else {
                    false
                }
            }
            #expect(servers[0].seen.count == 1 + RetryPolicy.retries)
        }
    }

    @Test func noServerAtAllIsUnreachable() async throws {
        var client = HeaderServerClient(servers: [try ServerAddress("unix:/no/such/socket")])
        client.pause = { _ in }
        await #expect { try await client.store() } throws: { ExitStatus($0) == .unreachable }
    }

    @Test func theNextServerStepsIn() async throws {
        try await withServers([[], [.response(200, try Self.json(Self.status))]]) { client, servers, pauses in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers.map(\.seen.count) == [1, 1])
            #expect(pauses.seen.isEmpty)
        }
    }

    @Test func aQuestionThatOneCannotAnswerGoesOn() async throws {
        let no = String.response(404, #"{"code":"kernel-unknown","detail":"Never seen."}"#, type: Problem.mediaType)
        try await withServers([[no], [.response(200, try Self.json(Self.status))]]) { client, _, _ in
            let status = try await client.store()
            #expect(status == Self.status)
        }
        try await withServers([[no], []]) { client, _, _ in
            await #expect { try await client.store() } throws: { ($0 as? ServerRefusal)?.problemCode == .kernelUnknown }
        }
    }

    @Test func aBrokenDocumentIsAskedForAgain() async throws {
        let whole = String.response(200, try Self.json(Self.status))
        try await withServers([[String(whole.dropLast(5)), whole]]) { client, servers, _ in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers[0].seen.count == 2)
        }
    }

    @Test(arguments: ["", "{}", "<html>", "[1"])
    func anotherDocumentIsNoAnswer(body: String) async throws {
        try await withServers([[.response(200, body)]]) { client, _, _ in
            await #expect { try await client.store() } throws: { error in
                if case TransportError.badAnswer = error { true } else { false }
            }
        }
    }

    /// What it says of another kernel must not be taken for this one's.
    @Test func aServerThatAnswersForAnotherKernelIsPassedOver() async throws {
        func summary(_ byte: UInt8) throws -> String {
            let id = try #require(BuildID(bytes: [byte]))
            let kernel = KernelSummary(
                identity: KernelIdentity(buildID: id), source: .push, treeDigest: .init(of: [byte]), files: 1, bytes: 1,
                firstSeen: 1, lastSeen: 1, conflicts: 0)
            return .response(200, try Self.json(kernel))
        }
        let wanted = try #require(BuildID(bytes: [1]))
        try await withServers([[try summary(2)], [try summary(1)]]) { client, _, _ in
            let kernel = try await client.kernel(wanted)
            #expect(kernel.treeDigest == .init(of: [1]))
        }
        try await withServers([[try summary(2)]]) { client, _, _ in
            await #expect {
                _ = try await client.kernel(wanted)
            } throws: {
                "\($0)".contains("for another kernel, 02") && ExitStatus($0) == .failed
            }
        }
    }

    @Test func aRefusalWithoutEndIsNotRead() async throws {
        let endless = String.response(400, String(repeating: "x", count: HeaderServerClient.refusalLimit + 1))
        try await withServers([[endless]]) { client, _, _ in
            await #expect(throws: TransportError.self) { try await client.store() }
        }
    }

    @Test func redirectsAreFollowedToHTTPOnlyAndNotForEver() async throws {
        let target = String.response(200, try Self.json(Self.status))
        func redirect(_ to: String) -> String { .response(302, fields: "Location: \(to)\r\n") }
        try await withServers([[redirect("/elsewhere"), target]]) { client, servers, _ in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers[0].seen[1].head.hasPrefix("GET /elsewhere "))
        }
        try await withServers([[redirect("file:///etc/passwd"), target]]) { client, servers, _ in
            await #expect(throws: TransportError.self) { try await client.store() }
            #expect(servers[0].seen.count == 1)
        }
        try await withServers([[String](repeating: redirect("/loop"), count: 20)]) { client, servers, _ in
            await #expect { try await client.store() } throws: { error in
                "\(error)".contains("a redirect after 6 others") && ExitStatus(error) == .failed
            }
            #expect(servers[0].seen.count == 7)
        }
    }

    @Test func aListIsReadToItsEnd() async throws {
        let kernel = KernelEntry(
            identity: KernelIdentity(buildID: try #require(id), release: "6.1.0"),
            headers: .init(source: .push, treeDigest: SHA256Hash.digest(of: []), files: 1, bytes: 2), firstSeen: 3,
            lastSeen: 4, hosts: 0, conflicts: 0)
        func page(_ next: String?) throws -> String {
            .response(200, try Self.json(KernelList(kernels: [kernel], next: next)))
        }
        try await withServers([[try page("a/b"), try page(nil)]]) { client, servers, _ in
            let kernels = try await client.allKernels()
            #expect(kernels == [kernel, kernel])
            let paths = servers[0].seen.map { $0.head.split(separator: " ")[1] }
            #expect(paths == ["/v1/kernels", "/v1/kernels?cursor=a%2Fb"])
        }
        try await withServers([[try page("a"), try page(nil)]]) { client, servers, _ in
            var query = KernelQuery()
            query.release = "6.1.0+x"
            _ = try await client.allKernels(query)
            let paths = servers[0].seen.map { $0.head.split(separator: " ")[1] }
            #expect(paths == ["/v1/kernels?release=6.1.0%2Bx", "/v1/kernels?release=6.1.0%2Bx&cursor=a"])
        }
        try await withServers([[try page("a"), try page("a"), try page("a")]]) { client, servers, _ in
            await #expect(throws: TransportError.self) { try await client.allKernels() }
            #expect(servers[0].seen.count == 2)
        }
    }

    @Test func aCancelledCallEndsThoughTheServerIsSilent() async throws {
        try await withTemporaryFolder { folder in
            let (requests, request) = AsyncStream.makeStream(of: Void.self)
            let server = try ScriptedServer(in: folder, []) {
                request.yield()
                return false
            }
            defer { server.stop() }
            let client = HeaderServerClient(servers: [server.address])
            let call = Task { try await client.store() }
            for await _ in requests { break }
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
        }
    }

    @Test func aSilentServerIsGivenUp() async throws {
        try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, []) { false }
            defer { server.stop() }
            var timeouts = TransferTimeouts()
            timeouts.document = 1
            var client = HeaderServerClient(servers: [server.address], timeouts: timeouts)
            client.pause = { _ in Issue.record("who was silent for so long is not asked again") }
            await #expect(throws: TransportError.self) { try await client.store() }
            #expect(server.seen.count == 1)
        }
    }
}
