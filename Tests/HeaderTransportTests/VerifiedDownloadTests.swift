import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// What is held against the digest that the server says it has.
@Suite struct VerifiedDownloadTests {
    private static let bytes: [UInt8] = {
        var generator = SeededGenerator(seed: 11)
        return (0..<300_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }()

    private func withServer(
        _ answers: [[UInt8]], _ body: (HeaderServerClient, ScriptedServer) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, answers)
            defer { server.stop() }
            var client = HeaderServerClient(servers: [server.address])
            client.pause = { _ in }
            try await body(client, server)
        }
    }

    private static func response(_ body: [UInt8], digest: String?, missing: Int = 0) -> [UInt8] {
        let field = digest.map { "Repr-Digest: \($0)\r\n" } ?? ""
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: \(body.count)\r\n\(field)\r\n"
        return Array(head.utf8) + body.dropLast(missing)
    }

    private static let good = ContentDigest.field(SHA256Hash.digest(of: bytes))

    private var id: BuildID { get throws { try #require(BuildID(bytes: [1, 2])) } }

    private func path(_ server: ScriptedServer) throws -> Substring {
        try #require(server.seen.first).head.split(separator: " ")[1]
    }

    @Test func eachHasItsPlace() async throws {
        try await withServer([Self.response(Self.bytes, digest: Self.good)]) { client, server in
            let found = try await client.btf(of: try id) { source, _ in try source.readAll() }
            #expect(found == Self.bytes)
            #expect(try path(server) == "/buildid/0102/section/.BTF")
        }
        try await withServer([Self.response(Self.bytes, digest: Self.good)]) { client, server in
            let header = try #require(HeaderPath("include/linux/a+b.h"))
            let found = try await client.source(header, of: .kernel(try id))
            #expect(found == Self.bytes)
            #expect(try path(server) == "/buildid/0102/source/include/linux/a%2Bb.h")
        }
        for format in BundleFormat.allCases {
            try await withServer([Self.response(Self.bytes, digest: Self.good)]) { client, server in
                let found = try await client.download(.kernel(try id), as: format) { source, _ in try source.readAll() }
                #expect(found == Self.bytes)
                #expect(try path(server) == "/buildid/0102/headers.\(format.rawValue)")
                // A server that is still building it sends the digest behind it otherwise, where not every proxy lets it through.
                #expect(server.seen.first?.head.contains("\r\nWant-Repr-Digest: sha-256=10\r\n") == true)
            }
        }
        try await withServer([Self.response(Self.bytes, digest: Self.good)]) { client, server in
            let digest = SHA256Hash.digest(of: [])
            let found = try await client.download(.tree(digest), as: .tar) { source, _ in try source.readAll() }
            #expect(found == Self.bytes)
            #expect(try path(server) == "/trees/\(digest)/headers.tar")
        }
    }

    @Test func otherBytesAreAskedForAgainAndThenRefused() async throws {
        var flipped = Self.bytes
        flipped[150_000] ^= 4
        let wrong = Self.response(flipped, digest: Self.good)
        try await withServer([wrong, Self.response(Self.bytes, digest: Self.good)]) { client, server in
            let found = try await client.source(try #require(HeaderPath("a.h")), of: .kernel(try id))
            #expect(found == Self.bytes)
            #expect(server.seen.count == 2)
        }
        try await withServer([[UInt8]](repeating: wrong, count: 9)) { client, server in
            await #expect {
                try await client.btf(of: try id) { source, _ in try source.readAll() }
            } throws: { error in
                (error as? TransportError)?.code == "content-digest-mismatch" && ExitStatus(error) == .failed
            }
            #expect(server.seen.count == 1 + RetryPolicy.retries)
        }
    }

    @Test(arguments: [nil, "", "sha-512=:AAAA:", "sha-256=AAAA", "sha-256=:AAAA:", "sha-256=:!:"])
    func withoutADigestItIsNoAnswer(field: String?) async throws {
        try await withServer([Self.response(Self.bytes, digest: field)]) { client, _ in
            await #expect {
                try await client.btf(of: try id) { source, _ in try source.readAll() }
            } throws: { ($0 as? TransportError)?.code == "server-answer-malformed" }
        }
    }

    @Test func aDigestAmongOthersCounts() throws {
        let digest = SHA256Hash.digest(of: Self.bytes)
        #expect(ContentDigest.sha256(" md5=:AA==: , \(Self.good)") == digest)
        #expect(ContentDigest.sha256(Self.good) == digest)
    }

    @Test func aHeaderWithoutEndIsNotRead() async throws {
        let endless = [UInt8](repeating: 32, count: HeaderServerClient.headerLimit + 1)
        let answer = Self.response(endless, digest: ContentDigest.field(SHA256Hash.digest(of: endless)))
        try await withServer([answer]) { client, _ in
            await #expect {
                try await client.source(try #require(HeaderPath("a.h")), of: .kernel(try id))
            } throws: { ($0 as? TransportError)?.code == "server-answer-malformed" }
        }
    }
}
