import FoundationEssentials
import HeaderArchive
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

/// Uploads in several requests (draft-ietf-httpbis-resumable-upload), as they come over the wire.
@Suite(.timeLimit(.minutes(2))) struct UploadSessionTests {
    private static let target = "/v1/kernels/\(TestKernels.id)/headers"
    private static let tar = TestKernels.tar

    /// Seconds that go on when a test says so.
    private final class Clock: Sendable {
        private let seconds = Mutex(1000)
        var now: Int { seconds.withLock { $0 } }
        func goOn(_ count: Int) { seconds.withLock { $0 += count } }
    }

    private static func digestField(_ bytes: [UInt8]) -> String {
        "Repr-Digest: sha-256=:\(Data(SHA256Hash.digest(of: bytes).bytes).base64EncodedString()):"
    }

    /// - Returns: the upload's path.
    private static func begin(
        _ server: RunningServer, _ target: String = target, length: Int = tar.count, _ fields: String...,
        body: [UInt8] = []
    ) async throws -> String {
        let answer = try await server.request(
            "PUT", target, ["Upload-Complete: ?0", "Upload-Length: \(length)"] + fields, body: body)
        try #require(answer.status == 201, "\(answer.text)")
        #expect(answer["Upload-Offset"] == "\(body.count)" && answer["Upload-Complete"] == "?0")
        #expect(answer["Upload-Length"] == "\(length)" && answer["Upload-Limit"] == "max-age=300")
        #expect(answer["Upload-Draft-Interop-Version"] == "6" && answer["Cache-Control"] == "no-store")
        #expect(answer.body.isEmpty)
        let path = try #require(answer["Location"])
        #expect(path.hasPrefix("/v1/uploads/") && path.utf8.count > 30)
        return path
    }

    private static func partFields(offset: Int, isLast: Bool = true) -> [String] {
        [
            "Content-Type: application/partial-upload", "Upload-Offset: \(offset)",
            "Upload-Complete: \(isLast ? "?1" : "?0")",
        ]
    }

    private static func append(
        _ server: RunningServer, _ path: String, _ bytes: some Collection<UInt8>, at offset: Int, isLast: Bool = true
    ) async throws -> HTTPAnswer {
        try await server.request("PATCH", path, partFields(offset: offset, isLast: isLast), body: Array(bytes))
    }

    private static func patchHead(_ path: String, offset: Int, count: Int, _ fields: String...) -> [UInt8] {
        let lines = ["PATCH \(path) HTTP/1.1", "Host: x", "Content-Length: \(count)"] + partFields(offset: offset)
        return Array(((lines + fields).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    private func expectState(
        _ server: RunningServer, _ path: String, offset: Int, isComplete: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let state = try await server.head(path)
        #expect(state.status == 204, sourceLocation: sourceLocation)
        #expect(state["Upload-Offset"] == "\(offset)", sourceLocation: sourceLocation)
        #expect(state["Upload-Complete"] == (isComplete ? "?1" : "?0"), sourceLocation: sourceLocation)
        #expect(state["Upload-Length"] == "\(Self.tar.count)", sourceLocation: sourceLocation)
        #expect(state["Cache-Control"] == "no-store", sourceLocation: sourceLocation)
        #expect(state["Content-Length"] == nil, sourceLocation: sourceLocation)
    }

    @Test(arguments: [0, 1000]) func anUploadComesInParts(first: Int) async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(
                server, "\(Self.target)?release=6.1.0-99-amd64&source=agent&origin=sysfs", Self.digestField(Self.tar),
                body: Array(Self.tar.prefix(first)))
            try await expectState(server, path, offset: first)
            let half = Self.tar.count / 2
            let part = try await Self.append(server, path, Self.tar[first..<half], at: first, isLast: false)
            #expect(part.status == 204 && part["Upload-Offset"] == "\(half)" && part["Upload-Complete"] == "?0")
            try await expectState(server, path, offset: half)
            let answer = try await Self.append(server, path, Self.tar[half...], at: half)
            #expect(answer.status == 201 && answer["Location"] == "/v1/kernels/\(TestKernels.id)")
            let receipt: IngestReceipt = try answer.decoded()
            #expect(try receipt.treeDigest == TestKernels.kernel.manifest.digest)
            #expect(try await server.summary().source == .agent)
            // Whoever did not hear the answer gets it again, and nothing is stored twice.
            try await expectState(server, path, offset: Self.tar.count, isComplete: true)
            let again = try await Self.append(server, path, [], at: Self.tar.count)
            #expect(again.lastingFields == answer.lastingFields && again.body == answer.body)
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func btfComesInPartsToo() async throws {
        try await withRunningServer { server in
            let btf = SmallBTF.bytes()
            let path = try await Self.begin(server, "/v1/kernels/\(TestKernels.id)/btf", length: btf.count)
            #expect(try await Self.append(server, path, btf[..<9], at: 0, isLast: false).status == 204)
            let answer = try await Self.append(server, path, btf[9...], at: 9)
            #expect(answer.status == 201)
            #expect(try answer.decoded(BTFReceipt.self).digest == SHA256Hash.digest(of: btf))
        }
    }

    @Test func aLengthMayBeUnknownUntilTheEnd() async throws {
        try await withRunningServer { server in
            let begun = try await server.request("PUT", Self.target, ["Upload-Complete: ?0"], body: [])
            #expect(begun.status == 201 && begun["Upload-Length"] == nil)
            let path = try #require(begun["Location"])
            #expect(try await Self.append(server, path, Self.tar[..<700], at: 0, isLast: false).status == 204)
            #expect(try await Self.append(server, path, Self.tar[700...], at: 700).status == 201)
        }
    }

    /// What has arrived when the connection breaks stays.
    @Test(arguments: [true, false]) func aBrokenConnectionIsGoneOnFrom(isReset: Bool) async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server)
            let connection = try server.connect()
            await connection.send(Self.patchHead(path, offset: 0, count: Self.tar.count) + Self.tar[..<100_000])
            if isReset {
                connection.abort()
            } else {
                connection.endSending()
                try expect(await connection.answer(), refusesWith: .uploadIncomplete)
                try await expectState(server, path, offset: 100_000)
                connection.close()
            }
            var answer: HTTPAnswer
            repeat {
                let offset = try #require(try await server.head(path)["Upload-Offset"].flatMap { Int($0) })
                #expect((0...100_000) ~= offset)
                #expect(server.folder.names(in: "store/staging").count == 1)
                answer = try await Self.append(server, path, Self.tar[offset...], at: offset)
                // What was on its way when the connection was reset may be read only now.
            } while isReset && answer.status == 409
            #expect(answer.status == 201)
            try await server.store.requireNoStrays(in: server.folder.path("store"))
        }
    }

    /// Its connection may be half dead: nothing comes of it, and nobody has closed it.
    @Test(arguments: ["HEAD", "PATCH"]) func whoComesLaterTakesOver(method: String) async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server)
            let old = try server.connect()
            await old.send(Self.patchHead(path, offset: 0, count: Self.tar.count, "Expect: 100-continue"))
            #expect(try await old.answer().status == 100)
            if method == "HEAD" { try await expectState(server, path, offset: 0) }
            #expect(try await Self.append(server, path, Self.tar, at: 0).status == 201)
            #expect(try await old.rest().isEmpty)
            old.close()
        }
    }

    @Test func anOffsetThatDoesNotFitIsToldTheRightOne() async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server)
            #expect(try await Self.append(server, path, Self.tar[..<500], at: 0, isLast: false).status == 204)
            for offset in [0, 499, 501, Self.tar.count, 999_999_999_999_999] {
                let answer = try await Self.append(server, path, [], at: offset)
                try expect(answer, refusesWith: .uploadOffsetMismatch)
                #expect(answer["Upload-Offset"] == "500" && answer["Upload-Complete"] == "?0")
            }
            // A body that is waited for with is not sent for nothing.
            let connection = try server.connect()
            await connection.send(Self.patchHead(path, offset: 7, count: 10, "Expect: 100-continue"))
            try expect(await connection.answer(), refusesWith: .uploadOffsetMismatch)
            connection.close()
            #expect(try await Self.append(server, path, Self.tar[500...], at: 500).status == 201)
        }
    }

    @Test func whatIsMalformedIsRefusedAndTheUploadGoesOn() async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server)
            let type = "Content-Type: application/partial-upload"
            for fields in [
                [type], [type, "Upload-Offset: 0"], [type, "Upload-Complete: ?1"],
                [type, "Upload-Offset: -1", "Upload-Complete: ?1"], [type, "Upload-Offset: x", "Upload-Complete: ?1"],
                [type, "Upload-Offset: 1.5", "Upload-Complete: ?1"],
                [type, "Upload-Offset: 99999999999999999999", "Upload-Complete: ?1"],
                [type, "Upload-Offset: 0", "Upload-Complete: 1"], [type, "Upload-Offset: 0", "Upload-Complete: true"],
            ] {
                try expect(await server.request("PATCH", path, fields, body: [1]), refusesWith: .requestMalformed)
            }
            for type in ["application/octet-stream", ""] {
                let fields = ["Content-Type: \(type)", "Upload-Offset: 0", "Upload-Complete: ?1"]
                try expect(await server.request("PATCH", path, fields, body: [1]), refusesWith: .uploadTypeUnknown)
            }
            for fields in [["Upload-Complete: 0"], ["Upload-Complete: ?0", "Upload-Length: -5"]] {
                try expect(await server.request("PUT", Self.target, fields, body: []), refusesWith: .requestMalformed)
            }
            try await expectState(server, path, offset: 0)
            #expect(try await Self.append(server, path, Self.tar, at: 0).status == 201)
        }
    }

    @Test func moreOrFewerBytesThanAnnouncedAreRefused() async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server)
            for count in [Self.tar.count - 1, Self.tar.count + 1] {
                let connection = try server.connect()
                await connection.send(Self.patchHead(path, offset: 0, count: count, "Expect: 100-continue"))
                try expect(await connection.answer(), refusesWith: .requestMalformed)
                connection.close()
            }
            // Of chunks nobody knows beforehand.
            let connection = try server.connect()
            let head =
                (["PATCH \(path) HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"] + Self.partFields(offset: 0))
                .joined(separator: "\r\n")
            await connection.send("\(head)\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            try expect(await connection.answer(), refusesWith: .uploadIncomplete)
            connection.close()
            try await expectState(server, path, offset: 3)
            let answer = try await server.request(
                "PUT", Self.target, ["Upload-Complete: ?0", "Upload-Length: 3"], body: [1, 2, 3, 4])
            try expect(answer, refusesWith: .requestMalformed)
        }
    }

    @Test func whatArrivedOtherwiseThanItWasSentIsNotTaken() async throws {
        try await withRunningServer { server in
            let before = try await server.snapshot()
            let path = try await Self.begin(server, Self.target, Self.digestField([1]))
            for _ in 1...2 {
                let offset = try #require(try await server.head(path)["Upload-Offset"].flatMap { Int($0) })
                let answer = try await Self.append(server, path, Self.tar[offset...], at: offset)
                try expect(answer, refusesWith: .contentDigestMismatch)
            }
            #expect(try await server.snapshot() == before)
        }
    }

    @Test func aRefusalOfItsContentsIsTheAnswerEachTime() async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server, length: 2000)
            for bytes in [[UInt8](repeating: 1, count: 2000), []] {
                let answer = try await Self.append(server, path, bytes, at: 2000 - bytes.count)
                try expect(answer, refusesWith: .archiveFormatUnknown)
            }
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func anUploadThatWasEndedIsUnknown() async throws {
        try await withRunningServer { server in
            let path = try await Self.begin(server)
            #expect(server.folder.names(in: "store/staging").count == 1)
            #expect(try await server.request("DELETE", path).status == 204)
            #expect(server.folder.names(in: "store/staging").isEmpty)
            for path in [path, "/v1/uploads/x"] {
                #expect(try await server.head(path).status == 404)
                try expect(await server.request("DELETE", path), refusesWith: .uploadUnknown)
                try expect(await Self.append(server, path, Self.tar, at: 0), refusesWith: .uploadUnknown)
            }
        }
    }

    @Test func anUploadExpiresWithoutAByte() async throws {
        let clock = Clock()
        var limits = UploadLimits()
        limits.now = { clock.now }
        try await withRunningServer(uploads: limits) { server in
            let path = try await Self.begin(server)
            clock.goOn(limits.seconds)
            // A byte renews it; to ask does not.
            #expect(try await Self.append(server, path, Self.tar[..<1], at: 0, isLast: false).status == 204)
            clock.goOn(limits.seconds)
            try await expectState(server, path, offset: 1)
            clock.goOn(1)
            try expect(await Self.append(server, path, Self.tar[1...], at: 1), refusesWith: .uploadUnknown)
        }
    }

    @Test func thereAreOnlySoManyUploads() async throws {
        var limits = UploadLimits()
        limits.sessions = 2
        try await withRunningServer(uploads: limits) { server in
            let first = try await Self.begin(server)
            let second = try await Self.begin(server)
            let answer = try await server.request("PUT", Self.target, ["Upload-Complete: ?0"], body: [])
            try expect(answer, refusesWith: .tooManyUploads)
            #expect(answer["Retry-After"] == "10")
            // One in a single request is none of them, and one that is done gives way.
            #expect(try await Self.append(server, second, Self.tar, at: 0).status == 201)
            try await server.upload(as: TestKernels.otherID)
            _ = try await Self.begin(server)
            #expect(try await server.head(second).status == 404)
            try await expectState(server, first, offset: 0)
        }
    }

    @Test func roomForAnUploadIsReservedUntilItEnds() async throws {
        let room = (64 << 20) + 3 * Self.tar.count
        try await withRunningServer(options: {
            $0.freeBytes = { room }
            $0.limits.archiveBytes = 3 * Self.tar.count
        }) { server in
            let path = try await Self.begin(server, length: 3 * Self.tar.count)
            let fields = ["Upload-Complete: ?0", "Upload-Length: 1000"]
            try expect(await server.request("PUT", Self.target, fields, body: []), refusesWith: .diskFull)
            #expect(try await server.request("DELETE", path).status == 204)
            #expect(try await server.request("PUT", Self.target, fields, body: []).status == 201)
            let large = ["Upload-Complete: ?0", "Upload-Length: \(3 * Self.tar.count + 1)"]
            try expect(await server.request("PUT", Self.target, large, body: []), refusesWith: .uploadTooLarge)
        }
    }

    /// Of an upload whose length nobody said.
    @Test func anUploadThatGrowsTooLargeEnds() async throws {
        try await withRunningServer(options: { $0.limits.archiveBytes = 1000 }) { server in
            let begun = try await server.request("PUT", Self.target, ["Upload-Complete: ?0"], body: [])
            let path = try #require(begun["Location"])
            #expect(try await Self.append(server, path, Self.tar[..<1000], at: 0, isLast: false).status == 204)
            try expect(
                await Self.append(server, path, Self.tar[1000..<1001], at: 1000), refusesWith: .uploadTooLarge)
            #expect(try await server.head(path).status == 404)
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func aServerThatStopsLeavesNothingOfUploads() async throws {
        try await withTemporaryFolder { folder in
            let path = try await withRunningServer(in: folder) { server in
                let path = try await Self.begin(server)
                #expect(try await Self.append(server, path, Self.tar[..<500], at: 0, isLast: false).status == 204)
                return path
            }
            #expect(folder.names(in: "store/staging").isEmpty)
            let answer = try await withRunningServer(in: folder) { try await $0.head(path) }
            #expect(answer.status == 404)
        }
    }

    // MARK: Claims

    private static func sighting(host: UInt8) throws -> Sighting {
        Sighting(
            host: try #require(HostID(bytes: [UInt8](repeating: host, count: HostID.length))), bootID: "b", agent: "a",
            kernel: KernelIdentity(buildID: try #require(BuildID(TestKernels.id))),
            steps: [], offers: [ArtefactOffer(.headers, origin: .sysfs, bytes: tar.count, digest: .init(of: tar))])
    }

    private static func claim(_ server: RunningServer, host: UInt8) async throws -> String {
        let verdict = try #require(try await server.store.checkIn(try sighting(host: host)).verdicts.first)
        return try #require(verdict.claim, "\(verdict)")
    }

    @Test func anUploadUnderAClaimLastsAsLongAsItsBytesCome() async throws {
        let clock = Clock()
        try await withRunningServer(options: { $0.uptime = { clock.now } }) { server in
            let claim = try await Self.claim(server, host: 1)
            let path = try await Self.begin(server, Self.target + "?source=agent", "Kheaderd-Claim: \(claim)")
            for offset in 0..<3 {
                clock.goOn(100)
                let part = Self.tar[offset..<offset + 1]
                #expect(try await Self.append(server, path, part, at: offset, isLast: false).status == 204)
            }
            let other = try await server.store.checkIn(try Self.sighting(host: 2)).verdicts
            #expect(other.map(\.answer) == [.wait])
            #expect(try await Self.append(server, path, Self.tar[3...], at: 3).status == 201)
            let later = try await server.store.checkIn(try Self.sighting(host: 2)).verdicts
            #expect(later.map(\.answer) == [.have])
        }
    }

    @Test func anUploadWhoseClaimWasTakenOverIsRefusedBeforeItsBytesCome() async throws {
        let clock = Clock()
        try await withRunningServer(options: { $0.uptime = { clock.now } }) { server in
            let claim = try await Self.claim(server, host: 1)
            let path = try await Self.begin(server, Self.target, "Kheaderd-Claim: \(claim)")
            clock.goOn(121)
            let other = try await Self.claim(server, host: 2)
            let connection = try server.connect()
            await connection.send(Self.patchHead(path, offset: 0, count: Self.tar.count, "Expect: 100-continue"))
            try expect(await connection.answer(), refusesWith: .claimStale)
            connection.close()
            // The same of one in a single request, and of its beginning.
            let single = try server.connect()
            await single.send(
                "PUT \(Self.target) HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n"
                    + "Kheaderd-Claim: \(claim)\r\n\r\n")
            try expect(await single.answer(), refusesWith: .claimStale)
            single.close()
            let again = ["Upload-Complete: ?0", "Kheaderd-Claim: \(claim)"]
            try expect(await server.request("PUT", Self.target, again, body: []), refusesWith: .claimStale)
            #expect(try await server.put(Self.target, Self.tar, "Kheaderd-Claim: \(other)").status == 201)
        }
    }

    @Test func anUploadThatEndsFreesItsClaim() async throws {
        try await withRunningServer { server in
            let claim = try await Self.claim(server, host: 1)
            let path = try await Self.begin(server, Self.target, "Kheaderd-Claim: \(claim)")
            #expect(try await server.store.checkIn(try Self.sighting(host: 2)).verdicts.map(\.answer) == [.wait])
            #expect(try await server.request("DELETE", path).status == 204)
            _ = try await Self.claim(server, host: 2)
        }
    }

    @Test func anOriginIsOneOfThoseThereAre() async throws {
        try await withRunningServer { server in
            try expect(await server.put("\(Self.target)?origin=moon", Self.tar), refusesWith: .parameterMalformed)
            try await server.upload(query: "?origin=&source=agent")
        }
    }
}
