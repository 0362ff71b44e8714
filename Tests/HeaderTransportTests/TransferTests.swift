import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import HeaderTransport

/// Bodies that do not fit into a buffer, both ways.
@Suite struct TransferTests {
    private static let digest = SHA256Hash.digest(of: [])
    private static let large: [UInt8] = {
        var generator = SeededGenerator(seed: 7)
        return (0..<5 * CurlTransfer.bufferSize + 77).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }()

    private final class Progress: Sendable {
        let steps = Mutex<[(done: Int, total: Int?)]>([])
        var last: Int? { steps.withLock { $0.last?.done } }
        func add(_ done: Int, _ total: Int?) { steps.withLock { $0.append((done, total)) } }
    }

    @discardableResult
    private func withServer<Value>(
        _ answers: [[UInt8]], _ body: (HeaderServerClient, ScriptedServer) async throws -> Value
    ) async throws -> Value {
        try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, answers)
            defer { server.stop() }
            var client = HeaderServerClient(servers: [server.address])
            client.pause = { _ in }
            // In one request each.
            client.resumableSize = .max
            return try await body(client, server)
        }
    }

    private static func response(_ body: [UInt8], missing: Int = 0) -> [UInt8] {
        Array("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
            + body.dropLast(missing)
    }

    @Test(arguments: [1, 1000, 1 << 16, 1 << 20])
    func aBodyComesThroughInPiecesOfAnySize(piece: Int) async throws {
        let body = piece == 1 ? Array(Self.large.prefix(10_000)) : Self.large
        let progress = Progress()
        try await withServer([Self.response(body)]) { client, _ in
            let received = try await client.bundle(tree: Self.digest, progress: progress.add) { source, _ in
                var bytes: [UInt8] = []
                try source.drain(chunk: piece) { bytes += $0 }
                return bytes
            }
            #expect(received == body)
        }
        let steps = progress.steps.withLock { $0 }
        #expect(steps.last?.done == body.count)
        #expect(steps.allSatisfy { $0.total == body.count })
    }

    @Test func chunkedBodiesHaveNoTotal() async throws {
        let progress = Progress()
        let answer =
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
        try await withServer([Array(answer.utf8)]) { client, _ in
            let received = try await client.bundle(tree: Self.digest, progress: progress.add) { source, _ in
                try source.readAll()
            }
            #expect(received == Array("abcde".utf8))
        }
        #expect(progress.steps.withLock { $0 }.allSatisfy { $0.total == nil })
    }

    @Test func anEmptyBodyIsOne() async throws {
        try await withServer([Self.response([])]) { client, _ in
            let received = try await client.bundle(tree: Self.digest) { source, _ in try source.readAll() }
            #expect(received.isEmpty)
        }
    }

    @Test func aTruncatedBodyIsAnErrorAndIsFetchedAgain() async throws {
        try await withServer([Self.response(Self.large, missing: 1), Self.response(Self.large)]) { client, server in
            let received = try await client.bundle(tree: Self.digest) { source, _ in try source.readAll() }
            #expect(received == Self.large)
            #expect(server.seen.count == 2)
        }
        let truncated = [[UInt8]](repeating: Self.response(Self.large, missing: 1), count: 9)
        try await withServer(truncated) { client, server in
            await #expect {
                try await client.bundle(tree: Self.digest) { source, _ in try source.readAll() }
            } throws: { error in
                if case TransportError.brokenOff = error { true } else { false }
            }
            #expect(server.seen.count == 1 + RetryPolicy.retries)
        }
    }

    @Test func whatTheReaderThrowsEndsIt() async throws {
        struct Enough: Error {}
        try await withServer([Self.response(Self.large)]) { client, server in
            await #expect(throws: Enough.self) {
                try await client.bundle(tree: Self.digest) { source, _ in
                    try source.drain { _ in throw Enough() }
                }
            }
            #expect(server.seen.count == 1)
        }
    }

    private func withUpload<Value>(_ bytes: [UInt8], _ body: (UploadFile) async throws -> Value) async throws -> Value {
        try await withTemporaryFolder { folder in
            let path = try folder.write(bytes, to: "archive")
            return try await body(try UploadFile(path: path, cancellation: Cancellation()))
        }
    }

    private static var receipt: IngestReceipt {
        get throws {
            IngestReceipt(
                buildID: try #require(BuildID(bytes: [1, 2])), treeDigest: digest, files: 1, bytes: 2, newBlobs: 3,
                newBytes: 4, storedBytes: 5)
        }
    }

    private static func receiptResponse(_ status: Int, _ document: some Encodable) throws -> [UInt8] {
        let body = String(decoding: try JSONEncoder().encode(document), as: UTF8.self)
        return Array(String.response(status, body).utf8)
    }

    @Test(arguments: [(0, 201), (100, 200), (large.count, 201)])
    func anUploadIsSentAsItIs(count: Int, status: Int) async throws {
        let bytes = Array(Self.large.prefix(count))
        let progress = Progress()
        try await withServer([try Self.receiptResponse(status, Self.receipt)]) { client, server in
            try await withUpload(bytes) { file in
                let identity = KernelIdentity(
                    buildID: try Self.receipt.buildID, release: "6.1 +x", architecture: Architecture(machine: "x86_64"),
                    hasBTF: true)
                let answer = try await client.push(file, as: identity, source: .push, progress: progress.add)
                #expect(try answer.receipt == Self.receipt)
                #expect(answer.isNew == (status == 201))
                let request = try #require(server.seen.first)
                #expect(
                    request.head.hasPrefix(
                        "PUT /v1/kernels/0102/headers?release=6.1%20%2Bx&architecture=x86_64&hasBTF=true&source=push "))
                #expect(request.head.contains("\r\nContent-Length: \(count)\r\n"))
                #expect(request.head.contains("\r\nContent-Digest: \(ContentDigest.field(file.digest))\r\n"))
                #expect(request.body == bytes)
            }
        }
        #expect(progress.last ?? 0 == count)
    }

    @Test func anUploadThatWasCutOffIsSentAgainFromTheStart() async throws {
        let busy = Array(String.response(503).utf8)
        try await withServer([busy, try Self.receiptResponse(201, Self.receipt)]) { client, server in
            try await withUpload(Self.large) { file in
                let identity = KernelIdentity(buildID: try Self.receipt.buildID)
                _ = try await client.push(file, as: identity, source: .agent)
            }
            #expect(server.seen.map(\.body) == [Self.large, Self.large])
        }
    }

    @Test func aConflictIsReportedAndNotRetried() async throws {
        let no = String.response(409, #"{"code":"tree-conflict","detail":"Another tree."}"#, type: Problem.mediaType)
        try await withServer([Array(no.utf8)]) { client, server in
            try await withUpload([1, 2, 3]) { file in
                let identity = KernelIdentity(buildID: try Self.receipt.buildID)
                await #expect {
                    try await client.push(file, as: identity, source: .push)
                } throws: { ($0 as? ServerRefusal)?.problemCode == .treeConflict && ExitStatus($0) == .refused }
            }
            #expect(server.seen.count == 1)
        }
    }

    @Test func aFileThatGotShorterIsAnError() async throws {
        try await withTemporaryFolder { folder in
            let path = try folder.write(Self.large, to: "archive")
            let file = try UploadFile(path: path, cancellation: Cancellation())
            try folder.write(Self.large.prefix(1000), to: "archive")
            try await withServer([[], [], [], []]) { client, _ in
                let identity = KernelIdentity(buildID: try Self.receipt.buildID)
                await #expect(throws: SystemCallError.self) { try await client.push(file, as: identity, source: .push) }
            }
        }
    }

    @Test func onlyNewBTFIsNew() async throws {
        for (status, isNew) in [(201, true), (200, false)] {
            let id = try Self.receipt.buildID
            let receipt = BTFReceipt(
                buildID: id, digest: .init(of: Self.large), bytes: Self.large.count, storedBytes: 1)
            try await withServer([try Self.receiptResponse(status, receipt)]) { client, server in
                try await withUpload(Self.large) { file in
                    let answer = try await client.pushBTF(file, of: id)
                    #expect(answer.isNew == isNew && answer.receipt == receipt)
                    let request = try #require(server.seen.first)
                    #expect(request.head.hasPrefix("PUT /v1/kernels/0102/btf HTTP/1.1\r\n"))
                    #expect(request.head.contains("\r\nContent-Digest: \(ContentDigest.field(file.digest))\r\n"))
                    #expect(request.body == Self.large)
                }
            }
        }
    }
}
