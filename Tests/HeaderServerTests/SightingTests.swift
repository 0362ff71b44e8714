import FoundationEssentials
import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

/// Sightings over HTTP: what is answered and counted, and each refusal.
@Suite struct SightingTests {
    private static let path = "/v1/kernels/\(TestKernels.id)/sightings"

    @Test func aVerdictForEachOfferInTheirOrder() async throws {
        try await withRunningServer(options: { $0.now = { 1_795_392_000 } }) { server in
            let offers = [ArtefactOffer(.btf, bytes: 5), TestSightings.offer(TestKernels.tar)]
            let answer = try await server.post(
                Self.path, TestSightings.json(offers: offers), "Content-Type: application/json; charset=utf-8")
            #expect(answer.status == 200)
            #expect(answer["Content-Type"] == "application/json")
            #expect(answer["Cache-Control"] == "no-store")
            #expect(answer["Connection"] != "close")
            let decoded: SightingAnswer = try answer.decoded()
            #expect(decoded.verdicts.map(\.artefact) == [.btf, .headers])
            #expect(decoded.verdicts.allSatisfy { $0.answer == .upload && $0.reason == .first && $0.seconds == 120 })
            #expect(Set(decoded.verdicts.compactMap(\.claim)).count == 2)
            #expect(decoded.verdicts.allSatisfy { $0.claim?.utf8.count == 32 })
            #expect(decoded.time == 1_795_392_000)
            // No offers, no verdicts; and what was claimed is free.
            let none = try await server.post(Self.path, TestSightings.json())
            #expect(try none.decoded(SightingAnswer.self).verdicts.isEmpty)
            #expect(try await server.report(offers[1], host: 2).reason == .takenOver)
        }
    }

    @Test func theKernelIsKnownFromThenOn() async throws {
        try await withRunningServer { server in
            try expect(await server.get("/v1/kernels/\(TestKernels.id)"), refusesWith: .kernelUnknown)
            let steps = [CollectStep(.sysfs, .missing), CollectStep(.modulesFolder, .missing)]
            for host in [1, 2] as [UInt8] {
                _ = try await server.post(Self.path, TestSightings.json(host: host, steps: steps))
            }
            try expect(await server.get("/buildid/\(TestKernels.id)/manifest.json"), refusesWith: .kernelHasNoHeaders)
            let detail: KernelDetail = try await server.get("/v1/kernels/\(TestKernels.id)").decoded()
            let why = try #require(detail.absence)
            #expect(why.contains("2 hosts run it; the agents of 2 found: sysfs missing, modules-folder missing."))
            #expect(detail.reports == [AgentReport(hosts: 2, steps: steps)])
            let list: KernelList = try await server.get("/v1/kernels").decoded()
            #expect(list.kernels == [detail.entry] && detail.entry.headers == nil)
            try await server.upload()
            #expect(try await server.summary().hosts == 2)
            #expect(try await server.get("/v1/store").decoded(StoreStatus.self).hosts == 2)
        }
    }

    /// A change to a good sighting that makes it none.
    private static let malformed: [(String, @Sendable (inout Sighting) -> Void)] = [
        ("another kernel", { $0.kernel.buildID = BuildID("ab") ?? $0.kernel.buildID }),
        ("long release", { $0.kernel.release = String(repeating: "x", count: 1025) }),
        ("release of two lines", { $0.kernel.release = "6.1\n" }),
        ("long version", { $0.kernel.versionLine = String(repeating: "x", count: 1025) }),
        ("version with NUL", { $0.kernel.versionLine = "\0" }),
        ("long machine", { $0.kernel.architecture = Architecture(machine: String(repeating: "x", count: 1025)) }),
        ("machine with C1", { $0.kernel.architecture = Architecture(machine: "x\u{85}") }),
        ("long boot ID", { $0.bootID = String(repeating: "x", count: 129) }),
        ("boot ID with tab", { $0.bootID = "\t" }),
        ("long agent", { $0.agent = String(repeating: "x", count: 129) }),
        ("agent with escape", { $0.agent = "\u{1B}[2J" }),
        ("many steps", { $0.steps = Array(repeating: CollectStep(.sysfs, .missing), count: 33) }),
        ("long detail", { $0.steps[0].detail = String(repeating: "x", count: 2049) }),
        ("two offers", { $0.offers = [ArtefactOffer(.btf), ArtefactOffer(.btf, bytes: 1)] }),
        ("negative", { $0.offers = [ArtefactOffer(.btf, bytes: -1)] }),
        ("headers from nowhere", { $0.offers = [ArtefactOffer(.headers)] }),
        ("BTF from a folder", { $0.offers = [ArtefactOffer(.btf, origin: .sourceFolder)] }),
    ]

    @Test func whatIsNoSightingIsRefusedAndNothingKept() async throws {
        try await withRunningServer { server in
            for (what, change) in Self.malformed {
                var sighting = TestSightings.sighting()
                change(&sighting)
                let answer = try await server.post(Self.path, TestSightings.json(sighting))
                #expect(try answer.problem?.code == .sightingMalformed, "\(what): \(answer.text)")
                try expect(answer, refusesWith: .sightingMalformed)
            }
            let good = TestSightings.json()
            for text in [
                "", "{", "[]", "null", "{}", String(good.dropLast()), good + "x", "\u{FF}",
                good.replacing(String(repeating: "01", count: 16), with: String(repeating: "0G", count: 16)),
                good.replacing("sysfs", with: "nowhere"), good.replacing("\"boot-1\"", with: "7"),
            ] {
                try expect(await server.post(Self.path, text), refusesWith: .sightingMalformed)
            }
            try expect(
                await server.post(Self.path, good, "Content-Type: text/plain"), refusesWith: .sightingMalformed)
            try expect(await server.post("/v1/kernels/XX/sightings", good), refusesWith: .buildIDMalformed)
            try expect(await server.get(Self.path), refusesWith: .methodNotAllowed)
            #expect(try await server.get("/v1/store").decoded(StoreStatus.self).hosts == 0)
            #expect(try await server.post(Self.path, good).status == 200)
        }
    }

    @Test func atTheLimitsItIsTaken() async throws {
        try await withRunningServer { server in
            let long = String(repeating: "x", count: 1024)
            var sighting = TestSightings.sighting()
            sighting.kernel = KernelIdentity(
                buildID: sighting.kernel.buildID, release: long, versionLine: long,
                architecture: Architecture(machine: long))
            sighting.bootID = String(repeating: "x", count: 128)
            sighting.agent = sighting.bootID
            // A detail may have any characters: it may quote a file.
            let detail = "\u{1B}\n\0" + String(repeating: "x", count: 1500)
            sighting.steps = Array(repeating: CollectStep(.sysfs, .damaged, detail), count: 32)
            let text = TestSightings.json(sighting)
            let padding = String(repeating: " ", count: Sighting.maximumBytes - text.utf8.count)
            #expect(try await server.post(Self.path, text + padding).status == 200)
            let over = try await server.post(Self.path, text + padding + " ")
            try expect(over, refusesWith: .sightingTooLarge)
            #expect(over["Connection"] == "close")
        }
    }

    @Test func aSightingWithoutALengthIsMeasured() async throws {
        try await withRunningServer { server in
            let connection = try server.connect()
            defer { connection.close() }
            let half = String(repeating: " ", count: 40_000)
            let chunk = "\(String(half.utf8.count, radix: 16))\r\n\(half)\r\n"
            await connection.send("POST \(Self.path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            await connection.send(chunk + chunk + "0\r\n\r\n")
            try expect(try await connection.answer(), refusesWith: .sightingTooLarge)
        }
    }

    @Test func verdictsAreCounted() async throws {
        try await withRunningServer { server in
            let offer = TestSightings.offer(TestKernels.tar)
            for host in 1...3 as ClosedRange<UInt8> { _ = try await server.report(offer, host: host) }
            let text = try await server.get("/metrics").text
            for line in [
                #"kheaderd_verdicts_total{artefact="headers",answer="upload",reason="first"} 1"#,
                #"kheaderd_verdicts_total{artefact="headers",answer="wait",reason="being-uploaded"} 2"#,
                "kheaderd_sightings_total 3", "kheaderd_hosts 3.0", "kheaderd_claims 1.0",
            ] {
                #expect(text.split(separator: "\n").contains { $0 == line }, "\(line)")
            }
        }
    }

    /// As when a fleet boots: thousands of hosts, few kernels.
    @Test func manyHostsAtOnce() async throws {
        try await withRunningServer { server in
            let ids = [TestKernels.id, TestKernels.otherID]
            let verdicts = try await withThrowingTaskGroup(of: [ArtefactVerdict].self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        let connection = try server.connect()
                        defer { connection.close() }
                        var verdicts: [ArtefactVerdict] = []
                        for number in 0..<15 {
                            let host = UInt8(worker * 15 + number)
                            let body = TestSightings.json(
                                host: host, of: ids[number % 2], offers: [TestSightings.offer(TestKernels.tar)])
                            await connection.send(
                                "POST /v1/kernels/\(ids[number % 2])/sightings HTTP/1.1\r\nHost: x\r\n"
                                    + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
                            verdicts += try await connection.answer().decoded(SightingAnswer.self).verdicts
                        }
                        return verdicts
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(verdicts.count == 240)
            #expect(verdicts.count { $0.answer == .upload } == 2)
            #expect(verdicts.count { $0.reason == .beingUploaded } == 238)
            #expect(try await server.get("/v1/store").decoded(StoreStatus.self).hosts == 240)
        }
    }
}
