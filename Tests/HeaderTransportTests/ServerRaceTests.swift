import FoundationEssentials
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing
import TracingClient

@testable import HeaderTransport

/// Several servers asked side by side; nobody waits for a clock.
@Suite struct ServerRaceTests {
    private static let status = StoreStatus(
        kernels: 2, trees: 2, conflicts: 0, blobs: 3, files: 4, rawBytes: 5, blobBytes: 6, packs: 1, packBytes: 7,
        catalogueBytes: 8, bundleBytes: 9)
    private static func answer() throws -> [UInt8] {
        Array(String.response(200, String(decoding: try JSONEncoder().encode(status), as: UTF8.self)).utf8)
    }

    /// - Parameter silent: servers that take a request and never answer it.
    private func withServers(
        _ scripts: [[[UInt8]]], silent: Set<Int> = [],
        stagger: @escaping @Sendable () async throws -> Void = {},
        _ body: (HeaderServerClient, [ScriptedServer]) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let servers = try scripts.enumerated().map { index, answers in
                try ScriptedServer(in: folder, answers, name: "socket\(index)") { !silent.contains(index) }
            }
            defer { for server in servers { server.stop() } }
            var client = HeaderServerClient(servers: servers.map(\.address))
            client.pause = { _ in }
            client.stagger = stagger
            try await body(client, servers)
        }
    }

    @Test func aSilentServerHoldsNobodyUp() async throws {
        try await withServers([[], [try Self.answer()]], silent: [0]) { client, servers in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers[1].seen.count == 1)
        }
        try await withServers([[], [], [try Self.answer()]], silent: [0, 1]) { client, servers in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers[2].seen.count == 1)
        }
    }

    @Test func withinTheStaggerOnlyTheFirstIsAsked() async throws {
        let never: @Sendable () async throws -> Void = { try await Task.sleep(for: .seconds(3600)) }
        try await withServers([[try Self.answer()], [try Self.answer()]], stagger: never) { client, servers in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers.map(\.seen.count) == [1, 0])
        }
    }

    @Test func aFailureIsNotWaitedFor() async throws {
        let never: @Sendable () async throws -> Void = { try await Task.sleep(for: .seconds(3600)) }
        try await withServers([[], [try Self.answer()]], stagger: never) { client, servers in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers.map(\.seen.count) == [1, 1])
        }
    }

    /// The first says no at once, the second never says anything, the third knows.
    @Test func aNoIsNoWin() async throws {
        let no = Array(String.response(404).utf8)
        try await withServers([[no], [], [try Self.answer()]], silent: [1]) { client, _ in
            let status = try await client.store()
            #expect(status == Self.status)
        }
    }

    @Test func anotherKindOfServerIsNoAnswerIfThereIsABetterOne() async throws {
        let portal = Array(String.response(200, "<html>", type: "text/html").utf8)
        let never: @Sendable () async throws -> Void = { try await Task.sleep(for: .seconds(3600)) }
        try await withServers([[portal], [try Self.answer()]], stagger: never) { client, _ in
            let status = try await client.store()
            #expect(status == Self.status)
        }
    }

    /// The first answer that comes breaks off; by then its rival was let go, and is asked again: as often as the other
    /// breaks off, at most.
    @Test func whenTheWinnerBreaksOffTheOthersAreAskedAgain() async throws {
        let short = [UInt8](try Self.answer().dropLast(3))
        try await withServers([Array(repeating: try Self.answer(), count: 5), Array(repeating: short, count: 4)]) {
            client, servers in
            let status = try await client.store()
            #expect(status == Self.status)
            #expect(servers[0].seen.count >= 1)
        }
    }

    @Test func uploadsGoToOneServerAfterTheOther() async throws {
        try await withServers([[Array(String.response(403).utf8)], [try Self.answer()]]) { client, servers in
            try await withTemporaryFolder { folder in
                let file = try UploadFile(path: folder.write([1], to: "file"), cancellation: Cancellation())
                let id = try #require(BuildID(bytes: [1, 2]))
                await #expect(throws: ServerRefusal.self) { try await client.pushBTF(file, of: id) }
            }
            #expect(servers.map(\.seen.count) == [1, 0])
        }
    }

    @Test func onlyOneWinsAndTheOthersAreCancelled() {
        let race = ServerRace()
        let cancellations = (0..<4).map { _ in Cancellation() }
        for server in 0..<3 { race.start(server, cancellations[server]) }
        #expect(!race.hasWinner)
        #expect(race.win(1))
        #expect(!race.win(0))
        race.start(3, cancellations[3])
        #expect(cancellations.map(\.isCancelled) == [true, false, true, true])
        race.end(0)
        #expect(race.hasWinner)
        race.end(1)
        #expect(!race.hasWinner)
        #expect(race.win(2))
    }

    @Test func aCancellationWakesUntilItIsToldNotTo() {
        let calls = Mutex(0)
        let cancellation = Cancellation()
        cancellation.onCancel { calls.withLock { $0 += 1 } }
        cancellation.cancel()
        cancellation.onCancel(nil)
        cancellation.cancel()
        #expect(calls.withLock { $0 } == 1)
    }
}
