import KHeaderTestSupport
import KernelHeaders
import Testing
import TracingClient

@testable import HeaderTransport

/// Connections that are kept from one request to the next.
@Suite struct ConnectionTests {
    @Test func oneConnectionServesOneRequestAfterTheOther() async throws {
        try await withRunningServer { server in
            let proxy = try CuttingProxy(to: server.port)
            defer { proxy.stop() }
            let client = HeaderServerClient(servers: [try ServerAddress(proxy.url)])
            for _ in 0..<5 { _ = try await client.store() }
            // A refusal and an upload too, from a copy of the client.
            await #expect(throws: ServerRefusal.self) { try await client.kernel(try #require(BuildID(bytes: [1]))) }
            let file = try UploadFile(
                path: server.folder.write(SmallBTF.bytes(), to: "btf"), cancellation: Cancellation())
            let copy = client.only(try #require(client.servers.first))
            _ = try await copy.pushBTF(file, of: try #require(BuildID(bytes: [1, 2])))
            #expect(proxy.connections.count == 1)
        }
    }

    @Test func manyAtOnceHaveOneEachAndUseThemAgain() async throws {
        try await withRunningServer { server in
            let proxy = try CuttingProxy(to: server.port)
            defer { proxy.stop() }
            let client = HeaderServerClient(servers: [try ServerAddress(proxy.url)])
            for _ in 0..<5 {
                try await withThrowingTaskGroup { group in
                    for _ in 0..<4 { group.addTask { _ = try await client.store() } }
                    try await group.waitForAll()
                }
            }
            #expect((1...4) ~= proxy.connections.count)
        }
    }

    /// The server's idle timeout, or a restart.
    @Test func aConnectionThatWasClosedMeanwhileIsMadeAnewWithoutAWord() async throws {
        try await withRunningServer { server in
            // Cut in the second request's head, and after the first answer.
            for cut in [CuttingProxy.Cut.afterSending(300)] {
                let proxy = try CuttingProxy(to: server.port, cuts: [cut])
                defer { proxy.stop() }
                var client = HeaderServerClient(servers: [try ServerAddress(proxy.url)])
                client.pause = { _ in Issue.record("libcurl does that itself") }
                for _ in 0..<10 { _ = try await client.store() }
                #expect(proxy.connections.count == 2)
            }
        }
    }

    @Test func idleHandlesAreBounded() throws {
        try CurlLibrary.start()
        let connections = CurlConnections()
        let address = try ServerAddress("http://127.0.0.1:1")
        let other = try ServerAddress("http://127.0.0.1:2")
        let taken = (0..<CurlConnections.maximumIdle + 1).map { _ in connections.take(for: address) }
        #expect(Set(taken.map(\.multi)).count == taken.count)
        for handle in taken { connections.keep(handle) }
        // The first was closed; the others come back, the last one first, and only for their server.
        let foreign = connections.take(for: other)
        #expect(!taken.dropFirst().map(\.multi).contains(foreign.multi))
        let again = taken.dropFirst().map { _ in connections.take(for: address).multi }
        #expect(again == taken.dropFirst().reversed().map(\.multi))
    }
}
