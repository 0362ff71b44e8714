import Glibc
import HeaderArchive
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Logging
import Synchronization
import Testing

@testable import HeaderTransport

/// A bundle goes out while it is built.
@Suite struct GrowingBundleTests {
    private static let path = "/buildid/\(TestKernels.id)/headers.tar"
    private static let get = "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n"
    /// A part of what is written when the build is stopped, and more than a head has.
    private static let beginning = HaltedBundle.bytes / 4

    private func withServer(
        _ halted: HaltedBundle, _ body: (RunningServer) async throws -> Void
    ) async throws {
        try await withRunningServer(options: { $0.files = halted.files }) { server in
            try await server.upload(SmallKernel().tar)
            do { try await body(server) } catch {
                // Else nobody ends.
                halted.goOn()
                throw error
            }
            halted.goOn()
        }
    }

    /// Asks, and returns when the beginning of the answer has come.
    private func begin(_ server: RunningServer) async throws -> HTTPConnection {
        let connection = try server.connect()
        await connection.send(Self.get)
        let beginning = try await connection.beginning(Self.beginning)
        #expect(beginning.starts(with: Array("HTTP/1.1 200 OK\r\n".utf8)))
        return connection
    }

    @Test func theFirstBytesComeBeforeTheLastAreAssembled() async throws {
        let halted = HaltedBundle()
        try await withServer(halted) { server in
            let connection = try await begin(server)
            #expect(server.folder.names(in: "store/bundles").isEmpty)
            halted.goOn()
            let answer = try await connection.answer()
            let document = try OpenAPIDocument()
            let operation = try #require(document.operations["GET /buildid/{buildID}/headers.tar"])
            #expect(try document.flaws(of: answer, to: operation) == [])
            for name in ["Content-Length", "ETag", "Repr-Digest", APIField.debuginfodSize] {
                #expect(answer[name] == nil, "\(name) can't be known")
            }
            #expect(answer["Trailer"] == "ETag, Repr-Digest")
            // From a cache that drops trailers nobody would ever learn the digest.
            #expect(answer["Cache-Control"] == "no-store")
            let whole = try await server.get(Self.path)
            #expect(whole.body == answer.body && whole["Content-Length"] == "\(answer.body.count)")
            #expect(answer.trailers.map(\.name) == ["ETag", "Repr-Digest"])
            #expect(answer.trailers.map(\.value) == [whole["ETag"], whole["Repr-Digest"]])
            #expect(whole["ETag"] == "\"\(answer.digest)\"")
            for name in ["Content-Type", "Accept-Ranges", APIField.tree, APIField.debuginfodFile] {
                #expect(answer[name] == whole[name] && whole[name] != nil, "\(name)")
            }
            // The connection is good for further requests, whose answers have no chunks.
            let unknown = String(repeating: "0", count: 40)
            await connection.send("GET /buildid/\(unknown)/manifest.json HTTP/1.1\r\nHost: x\r\n\r\n\(Self.get)")
            #expect(try await connection.answer().status == 404)
            #expect(try await connection.answer().body == whole.body)
            connection.close()
        }
    }

    @Test func concurrentFirstRequestsGetTheSameBytesOfOneBuild() async throws {
        let halted = HaltedBundle()
        try await withServer(halted) { server in
            let first = try await begin(server)
            let others = try await (0..<7).asyncMap { _ in try await begin(server) }
            // Reads nothing for now, which is nobody else's business.
            let slow = try server.connect()
            await slow.send(Self.get)
            halted.goOn()
            let body = try await first.answer().body
            for connection in others { #expect(try await connection.answer().body == body) }
            #expect(try await slow.answer().body == body)
            #expect(halted.builds == 1)
        }
    }

    /// Whoever asks for what nobody knows before the end waits for it.
    @Test(arguments: [
        "Range: bytes=0-9", "If-Match: *", "If-None-Match: \"x\"", "If-Range: \"x\"",
        "X-DEBUGINFOD-MAXSIZE: 100000000", "Want-Repr-Digest: sha-256=10", "HEAD", "HTTP/1.0",
    ])
    func othersWaitForAllOfIt(field: String) async throws {
        let halted = HaltedBundle()
        try await withServer(halted) { server in
            let growing = try await begin(server)
            let connection = try server.connect()
            let method = field == "HEAD" ? "HEAD" : "GET"
            let version = field == "HTTP/1.0" ? field : "HTTP/1.1"
            let line = field.contains(":") ? "\(field)\r\n" : ""
            await connection.send("\(method) \(Self.path) \(version)\r\nHost: x\r\n\(line)\r\n")
            halted.goOn()
            let body = try await growing.answer().body
            let answer = try await connection.answer(toHead: method == "HEAD")
            #expect(answer["Transfer-Encoding"] == nil && answer.trailers.isEmpty)
            #expect(answer["ETag"] == "\"\(Digest(of: body))\"")
            if field.hasPrefix("Range") {
                #expect(answer.status == 206 && answer.body == Array(body[..<10]))
            } else {
                #expect(answer.status == 200 && answer["Content-Length"] == "\(body.count)")
                #expect(answer.body == (method == "HEAD" ? [] : body))
            }
        }
    }

    @Test func aFailureInTheMiddleBreaksTheConnection() async throws {
        let halted = HaltedBundle()
        try await withServer(halted) { server in
            let connection = try await begin(server)
            halted.fail(ENOSPC)
            await #expect(throws: HTTPAnswer.Malformed.self) { try await connection.answer() }
            #expect(
                server.folder.names(in: "store/staging").isEmpty && server.folder.names(in: "store/bundles").isEmpty)
            // Who asks again is told why.
            let again = try await server.get(Self.path)
            try expect(again, refusesWith: .diskFull)
            #expect(!again.text.contains("secret"))
            halted.goOn()
            let whole = try await server.get(Self.path)
            #expect(whole.status == 200 && whole["ETag"] == "\"\(whole.digest)\"")
            #expect(halted.builds == 3)
        }
    }

    @Test func aDiskThatIsFullAtTheStartIsARefusal() async throws {
        let free = Mutex(1 << 40)
        try await withRunningServer(options: { $0.freeBytes = { free.withLock { $0 } } }) { server in
            try await server.upload(SmallKernel().tar)
            free.withLock { $0 = 0 }
            try expect(try await server.get(Self.path), refusesWith: .diskFull)
        }
    }

    @Test func theBuildGoesOnWhenItsClientsAreGone() async throws {
        let halted = HaltedBundle()
        try await withServer(halted) { server in
            try await begin(server).abort()
            halted.goOn()
            // Of the one build: it goes on, or is over.
            let whole = try await server.get(Self.path, "Want-Repr-Digest: sha-256=10")
            #expect(whole["ETag"] == "\"\(whole.digest)\"")
            #expect(halted.builds == 1 && server.folder.names(in: "store/bundles").count == 1)
        }
    }

    /// What a client has of it is verified as ever; when it breaks off, it is asked for again.
    @Test(arguments: [false, true])
    func aClientUnpacksItAsItGrows(breaks: Bool) async throws {
        let halted = HaltedBundle()
        try await withServer(halted) { server in
            let address = try ServerAddress(server.url)
            // Told that it broke off.
            var client = HeaderServerClient(servers: [address], notice: { _ in halted.goOn() })
            client.pause = { _ in }
            // Some of it has come.
            let fetch = TreeFetch(client: client) { _, total in
                guard total == nil else { return }
                if breaks { halted.failOnce(EIO) } else { halted.goOn() }
            }
            let id = try #require(BuildID(TestKernels.id))
            let tree = try await fetch.fetch(id, to: server.folder.path("tree"))
            #expect(try tree.treeDigest == SmallKernel().manifest.digest)
            #expect(halted.builds == (breaks ? 2 : 1))
        }
    }

    @Test func itsBytesAreCountedAndLogged() async throws {
        let halted = HaltedBundle()
        let log = CollectedLog()
        var serving = ServingOptions()
        serving.accessLog = true
        try await withRunningServer(serving: serving, logger: log.logger, options: { $0.files = halted.files }) {
            server in
            try await server.upload(SmallKernel().tar)
            let connection = try server.connect()
            await connection.send(Self.get)
            _ = try await connection.beginning(Self.beginning)
            halted.goOn()
            let bytes = try await connection.answer().body.count
            #expect(log.lines.last { $0.message == "request" }?.metadata["bytes"] == "\(bytes)")
            let metrics = try await server.get("/metrics").text
            #expect(
                metrics.contains("http_responses_transfer_bytes_sum{code=\"200\",type=\"headers\"} \(bytes)\n"))
        }
    }
}
