import FoundationEssentials
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Testing

/// How an upload comes over the wire: digests, chunks, limits, interruptions, `Expect`.
@Suite(.timeLimit(.minutes(2))) struct UploadTransferTests {
    private static let path = "/v1/kernels/\(TestKernels.id)/headers"

    private static func head(_ method: String, _ target: String, _ fields: String...) -> String {
        (["\(method) \(target) HTTP/1.1", "Host: x"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    }

    private static func chunks(_ bytes: [UInt8], of size: Int) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: size).flatMap { start in
            let chunk = bytes[start..<min(start + size, bytes.count)]
            return Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [13, 10]
        }
    }

    private static func base64(_ digest: KernelHeaders.Digest) -> String { Data(digest.bytes).base64EncodedString() }

    /// RFC 9110, 14.5: a part must not be taken for the whole.
    @Test func aPartIsNotTaken() async throws {
        try await withRunningServer { server in
            let answer = try await server.put(Self.path, TestKernels.tar, "Content-Range: bytes 0-9/100")
            try expect(answer, refusesWith: .requestMalformed)
        }
    }

    @Test func aContentDigestThatFitsIsTaken() async throws {
        try await withRunningServer { server in
            let field =
                "Content-Digest: sha-512=:AAAA:, sha-256=:\(Self.base64(SHA256Hash.digest(of: TestKernels.tar))):"
            let answer = try await server.put(Self.path, TestKernels.tar, field)
            #expect(answer.status == 201)
            // Of an algorithm that is not known, nothing can be said.
            #expect(try await server.put(Self.path, TestKernels.tar, "Content-Digest: md5=:AAAA:").status == 200)
        }
    }

    @Test func aContentDigestThatDoesNotFitIsRefused() async throws {
        try await withRunningServer { server in
            let before = try await server.snapshot()
            let field = "Content-Digest: sha-256=:\(Self.base64(SHA256Hash.digest(of: [1]))):"
            try expect(await server.put(Self.path, TestKernels.tar, field), refusesWith: .contentDigestMismatch)
            for malformed in ["sha-256", "sha-256=abc", "sha-256=:AAAA:", "sha-256=:!:", "=", "sha-256=\"x\""] {
                let answer = try await server.put(Self.path, TestKernels.tar, "Content-Digest: \(malformed)")
                try expect(answer, refusesWith: .requestMalformed)
            }
            #expect(try await server.snapshot() == before)
        }
    }

    @Test(arguments: [1, 4096, 1 << 20])
    func anUploadInChunksNeedsNoLength(size: Int) async throws {
        try await withRunningServer { server in
            let tar = size == 1 ? TestKernels.tar() : TestKernels.tar
            let connection = try server.connect()
            await connection.send(Self.head("PUT", Self.path, "Transfer-Encoding: chunked"))
            await connection.send(Self.chunks(tar, of: size) + Array("0\r\n\r\n".utf8))
            #expect(try await connection.answer().status == 201)
            connection.close()
        }
    }

    /// Ways to break off. Each sends most of an archive; what ends the request never comes.
    @Test(arguments: ["Content-Length: 9999999", "Transfer-Encoding: chunked"], [true, false])
    func anInterruptedUploadLeavesNothing(framing: String, isReset: Bool) async throws {
        let files = WatchedFileSystem()
        try await withRunningServer(options: { $0.files = files }) { server in
            let before = try await server.snapshot()
            let connection = try server.connect()
            await connection.send(Self.head("PUT", Self.path, framing))
            await connection.send(
                framing.hasPrefix("C") ? TestKernels.tar : Self.chunks(TestKernels.tar, of: 10_000))
            // Not before the server has begun to keep it.
            var upload: String?
            for await case .created(let path) in files.all where path.hasSuffix("-upload") {
                upload = path
                break
            }
            if isReset {
                connection.abort()
            } else {
                connection.endSending()
                try expect(await connection.answer(), refusesWith: .uploadIncomplete)
                connection.close()
            }
            for await event in files.all where event == .removed(try #require(upload)) { break }
            #expect(try await server.snapshot() == before)
            try await server.upload()
        }
    }

    @Test func aMalformedChunkIsRefused() async throws {
        try await withRunningServer { server in
            let connection = try server.connect()
            await connection.send(Self.head("PUT", Self.path, "Transfer-Encoding: chunked") + "5\r\nhello\r\nZZ\r\n")
            try expect(await connection.answer(), refusesWith: .requestMalformed)
            #expect(try await connection.rest().isEmpty)
            connection.close()
            try await server.upload()
        }
    }

    @Test func anUploadOfExactlyTheLimitIsTaken() async throws {
        try await withRunningServer(options: { $0.limits.archiveBytes = TestKernels.tar.count }) { server in
            let before = try await server.snapshot()
            let answer = try await server.put(Self.path, TestKernels.tar + [0])
            try expect(answer, refusesWith: .uploadTooLarge)
            #expect(try await server.snapshot() == before)
            #expect(try await server.put(Self.path, TestKernels.tar).status == 201)
        }
    }

    @Test func anUploadThatGrowsTooLargeIsRefusedOnItsWay() async throws {
        try await withRunningServer(options: { $0.limits.archiveBytes = 100_000 }) { server in
            let before = try await server.snapshot()
            let connection = try server.connect()
            await connection.send(Self.head("PUT", Self.path, "Transfer-Encoding: chunked"))
            // The answer comes while the upload goes on.
            await connection.send(Self.chunks(.init(repeating: 0, count: 200_000), of: 1 << 14))
            let answer = try await connection.answer()
            try expect(answer, refusesWith: .uploadTooLarge)
            #expect(answer["Connection"] == "close")
            // What still comes is dropped, and then the connection ends.
            await connection.send(Self.chunks(.init(repeating: 0, count: 500_000), of: 1 << 14))
            await connection.send("0\r\n\r\n")
            #expect(try await connection.rest().isEmpty)
            #expect(try await server.snapshot() == before)
            connection.close()
        }
    }

    @Test func afterARefusalNoFurtherRequestIsAnswered() async throws {
        try await withRunningServer { server in
            let connection = try server.connect()
            await connection.send(
                Self.head("PUT", "/v1/kernels/XY/headers", "Content-Length: 300000")
                    + String(repeating: "x", count: 300_000) + Self.head("GET", "/livez"))
            try expect(await connection.answer(), refusesWith: .buildIDMalformed)
            #expect(try await connection.rest().isEmpty)
            connection.close()
        }
    }

    @Test func whoExpectsAContinueGetsOne() async throws {
        try await withRunningServer { server in
            let connection = try server.connect()
            let tar = TestKernels.tar
            await connection.send(
                Self.head("PUT", Self.path, "Content-Length: \(tar.count)", "Expect: 100-Continue"))
            let interim = try await connection.answer()
            #expect(interim.status == 100)
            await connection.send(tar)
            #expect(try await connection.answer().status == 201)
            connection.close()
        }
    }

    @Test func whoExpectsToSendTooMuchGetsNone() async throws {
        try await withRunningServer(options: { $0.limits.archiveBytes = 1000 }) { server in
            let connection = try server.connect()
            await connection.send(Self.head("PUT", Self.path, "Content-Length: 1001", "Expect: 100-continue"))
            try expect(await connection.answer(), refusesWith: .uploadTooLarge)
            connection.close()
        }
    }

    /// A 100 in the middle of an earlier answer would break it.
    @Test func aContinueWaitsForTheAnswersBefore() async throws {
        try await withRunningServer { server in
            try await server.upload(SmallKernel().tar, as: TestKernels.otherID)
            let connection = try server.connect()
            let path = "/buildid/\(TestKernels.otherID)/headers.tar"
            await connection.send(
                Self.head("GET", path) + Self.head("GET", path)
                    + Self.head("PUT", Self.path, "Content-Length: \(TestKernels.tar.count)", "Expect: 100-continue"))
            let bundles = try await (1...2).asyncMap { _ in try await connection.answer() }
            #expect(bundles.map(\.status) == [200, 200])
            #expect(bundles[0].body == bundles[1].body)
            #expect(try await connection.answer().status == 100)
            await connection.send(TestKernels.tar)
            #expect(try await connection.answer().status == 201)
            // And what is asked then is answered as before.
            await connection.send(Self.head("GET", path))
            #expect(try await connection.answer().body == bundles[0].body)
            connection.close()
        }
    }
}
