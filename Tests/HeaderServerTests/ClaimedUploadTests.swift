import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Logging
import OperatorDocuments
import Testing

/// What a fleet does over HTTP: one host uploads under its claim, the others agree, disagree, or are told that nothing is
/// wanted. Uploads that break off and go on are in `UploadSessionTests`.
@Suite struct ClaimedUploadTests {
    private static let headers = "/v1/kernels/\(TestKernels.id)/headers"
    private static let offer = TestSightings.offer(TestKernels.tar)

    private static func upload(
        _ server: RunningServer, _ archive: [UInt8] = TestKernels.tar, host: UInt8, query: String = "?origin=sysfs"
    ) async throws -> HTTPAnswer {
        let claim = try #require(try await server.report(TestSightings.offer(archive), host: host).claim)
        return try await server.put(headers + query, archive, "Kheaderd-Claim: \(claim)")
    }

    @Test func oneUploadsAndTheOthersAgree() async throws {
        try await withRunningServer { server in
            let stored = try await Self.upload(server, host: 1)
            #expect(stored.status == 201)
            #expect(try await server.summary().source == .agent)
            for host in [2, 3] as [UInt8] {
                let verdict = try await server.report(Self.offer, host: host)
                #expect((verdict.answer, verdict.reason) == (.have, .agreed))
            }
            let other = try await server.report(TestSightings.offer([1]), host: 4)
            #expect((other.answer, other.reason) == (.conflict, .digestDiffers))
            let summary = try await server.summary()
            #expect((summary.source, summary.hosts, summary.conflicts) == (.agreed, 4, 1))
            let metrics = try await server.get("/metrics").text
            #expect(metrics.contains("kheaderd_claims 0.0\n"))
        }
    }

    /// A claim is a host's: what it uploads does not count as an operator's word.
    @Test func anUploadUnderAClaimIsAHostsWordWhateverItSays() async throws {
        try await withRunningServer { server in
            let stored = try await Self.upload(server, host: 1, query: "?source=import&origin=sysfs")
            #expect(stored.status == 201)
            #expect(try await server.summary().source == .agent)
        }
    }

    @Test func whatWasPackedOnAHostIsNotCompared() async throws {
        try await withRunningServer { server in
            let stored = try await Self.upload(server, host: 1, query: "?origin=modules-folder")
            #expect(stored.status == 201)
            #expect(try await server.report(TestSightings.offer([1]), host: 2).reason == .notComparable)
        }
    }

    /// Whoever wants to know why no headers come finds it wherever he looks.
    @Test func aRefusedArchiveIsUploadedOnceAndTheReasonIsTold() async throws {
        let log = CollectedLog()
        try await withRunningServer(logger: log.logger) { server in
            let bad = TestKernels.tar { $0.addFile("../x.h") }
            let refusal: Problem = try await Self.upload(server, bad, host: 1).decoded()
            #expect(refusal.code == .archivePathParent)
            let reason = "\(refusal.detail) (archive-path-parent)"
            for host in [1, 2, 3] as [UInt8] {
                let verdict = try await server.report(TestSightings.offer(bad), host: host)
                #expect((verdict.answer, verdict.reason) == (.refused, .archiveRefused))
                #expect(verdict.detail == "It was uploaded, and turned down: \(reason)")
            }
            let lines = log.lines.filter { $0.message == "an upload was turned down" }
            #expect(lines.count == 1)
            let said = ["buildID", "artefact", "code", "detail"].map { lines.first?.metadata[$0]?.description }
            #expect(said == ["\(TestKernels.id)", "headers", "archive-path-parent", refusal.detail])
            #expect(lines.first?.metadata["host"] != nil)
            let coverage: Coverage = try await server.get("/v1/coverage").decoded()
            #expect(coverage.gaps.map(\.refusal) == [reason])
            let detail: KernelDetail = try await server.get("/v1/kernels/\(TestKernels.id)").decoded()
            #expect(detail.absence?.contains("What a host uploaded was turned down: \(reason). Push them") == true)
            let page = try await server.get("/coverage", "Accept: text/html").text
            #expect(page.contains("turned down: ") && page.contains("(archive-path-parent)"))
            let stored = try await Self.upload(server, host: 4)
            #expect(stored.status == 201)
            // A person's is logged, too.
            _ = try await server.put(Self.headers, bad)
            #expect(log.lines.last { $0.message == "an upload was turned down" }?.metadata["host"] == nil)
            #expect(log.lines.count { $0.message == "an upload was turned down" } == 2)
        }
    }

    @Test func aDigestThatDoesNotMatchFreesTheClaim() async throws {
        try await withRunningServer { server in
            let claim = try #require(try await server.report(Self.offer, host: 1).claim)
            let other = "Content-Digest: sha-256=:\(String(repeating: "A", count: 43))=:"
            let answer = try await server.put(Self.headers, TestKernels.tar, "Kheaderd-Claim: \(claim)", other)
            try expect(answer, refusesWith: .contentDigestMismatch)
            #expect(try await server.report(Self.offer, host: 2).reason == .takenOver)
            try expect(
                await server.put(Self.headers, TestKernels.tar, "Kheaderd-Claim: \(claim)"), refusesWith: .claimStale)
        }
    }

    @Test func aClaimThatIsNoneIsRefusedAndAnOriginTooThatIsNone() async throws {
        try await withRunningServer { server in
            for claim in ["x", "00000000000000000000000000000000"] {
                let answer = try await server.put(Self.headers, TestKernels.tar, "Kheaderd-Claim: \(claim)")
                try expect(answer, refusesWith: .claimStale)
            }
            try expect(
                await server.put("/v1/kernels/\(TestKernels.id)/btf", SmallBTF.bytes(), "Kheaderd-Claim: x"),
                refusesWith: .claimStale)
            try expect(
                await server.put(Self.headers + "?origin=nowhere", TestKernels.tar), refusesWith: .parameterMalformed)
            #expect(try await server.put(Self.headers, TestKernels.tar).status == 201)
        }
    }
}
