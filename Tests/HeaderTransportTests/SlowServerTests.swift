import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// Servers that never get to an end.
@Suite struct SlowServerTests {
    @Test(arguments: [nil, "", "1", "86400"])
    func theVariableSetsTheTimes(text: String?) throws {
        let timeouts = try TransferTimeouts(variable: text)
        guard let text, let seconds = Int(text) else {
            #expect(timeouts == TransferTimeouts())
            return
        }
        #expect(timeouts.silence == seconds)
        #expect(timeouts.document == seconds)
        #expect(timeouts.connect == min(seconds, 10))
    }

    @Test(arguments: ["0", "-1", "86401", "1.5", "10s", " 10", "ten", "99999999999999999999"])
    func whatIsNoTimeIsRefused(text: String) {
        let problem = #expect(throws: Problem.self) { try TransferTimeouts(variable: text) }
        #expect(problem?.code == .parameterMalformed)
        #expect(problem?.detail.contains("KHEADER_TIMEOUT") == true)
    }

    /// A byte now and then, for as long as the client stays: more than none, and too few.
    @Test func aSlowLorisIsGivenUp() async throws {
        try await withTemporaryFolder { folder in
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nKheaderd-Tree: \(Digest(of: []))\r\n\r\n"
            let server = try ScriptedServer(in: folder, dripping: Array(head.utf8))
            defer { server.stop() }
            var client = HeaderServerClient(
                servers: [server.address], timeouts: try TransferTimeouts(variable: "1"))
            client.pause = { _ in Issue.record("who was too slow is not asked again") }
            try folder.makeFolder("tree")
            let fetch = TreeFetch(client: client)
            let id = try #require(BuildID(bytes: [1, 2]))
            await #expect(throws: TransportError.self) { try await fetch.fill(folder.path("tree"), of: id) }
            #expect(folder.names(in: "tree").isEmpty)
        }
    }
}
