import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Logging
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderServer
@testable import PrecompiledHeaders

/// PCHs that are asked for, made by a compiler that is none.
@Suite struct PCHTests {
    @Test func aPCHIsMadeWhenItIsAskedForAndServedAsAFile() async throws {
        try await PCHServer.with { pch in
            let first = try await pch.get()
            #expect(first.status == 202)
            let progress: PCHProgress = try first.decoded()
            #expect(first["Retry-After"] == "\(progress.retryAfter)")
            #expect(first["Cache-Control"] == "no-store")
            let key = try #require(first["Kheaderd-PCH-Key"])

            let answer = try await pch.ready(pch.path())
            let bytes = FakeBuilding.bytes("sched")
            #expect(answer.status == 200 && answer.body == bytes)
            #expect(answer["Content-Type"] == "application/octet-stream")
            #expect(answer["ETag"] == "\"\(Digest(of: bytes))\"")
            #expect(answer["Kheaderd-PCH-Key"] == key)
            #expect(try await answer["Kheaderd-Tree"] == "\(pch.server.summary().treeDigest)")
            #expect(answer["Vary"] == "Accept-Encoding")
            #expect(answer["Cache-Control"]?.contains("max-age=300") == true)
            #expect(answer["Content-Encoding"] == nil)
            let toolchain = try #require(await FakeToolchain.registry.toolchains().first)
            let order = try await pch.order(.sched, toolchain: toolchain)
            #expect(key == "\(order.key)")

            let head = try await pch.server.head(pch.path())
            #expect(head.lastingFields == answer.lastingFields)
            let manifest = try await pch.server.get("\(pch.path())/manifest.json")
            #expect(try manifest.decoded(PCHManifest.self) == FakeBuilding.manifest(order, bytes))
            #expect(manifest["Kheaderd-PCH-Key"] == key)
            #expect(pch.building.builds == ["sched"])
        }
    }

    /// And the server goes on all the same.
    @Test func aClangThatIsNamedAndCantBeUsedIsToldInTheLog() async throws {
        try await withTemporaryFolder { folder in
            let log = CollectedLog()
            let store = try HeaderStore(folder: folder.path("store"))
            let options = try await PCHOptions.fake(FakeBuilding()) {
                $0.registry = ToolchainRegistry(programs: ["/nowhere/clang"], path: "/nowhere", llvm: folder.path)
            }
            let service = PCHService(store: store, options: options, metrics: MetricsRegistry(), logger: log.logger)
            await service.start()
            await service.preparation?.value
            let line = try #require(log.lines.first)
            #expect(line.message == "a clang of pch.toolchains can't be used")
            #expect(line.metadata == ["program": "/nowhere/clang", "reason": "No such file or directory"])
            await service.close()
            try store.close()
        }
    }

    @Test func theManifestBeginsTheBuildAsWell() async throws {
        try await PCHServer.with { pch in
            let path = "\(pch.path("net"))/manifest.json"
            #expect(try await pch.server.get(path).status == 202)
            let manifest: PCHManifest = try await pch.ready(path).decoded()
            #expect(manifest.umbrella == "net" && manifest.rank == .server)
            #expect(try await pch.get("net").status == 200)
            #expect(pch.building.builds == ["net"])
        }
    }

    @Test func howeverManyAskItIsMadeOnce() async throws {
        try await PCHServer.with { pch in
            pch.building.hold("sched")
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<100 { group.addTask { try await pch.get().status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 202, count: 100))
            pch.building.release()
            #expect(try await pch.ready(pch.path()).status == 200)
            #expect(pch.building.builds == ["sched"])
        }
    }

    @Test func whoWaitsIsToldHowFarItIs() async throws {
        try await PCHServer.with { pch in
            pch.building.hold("sched")
            #expect(try await pch.get().status == 202)
            #expect(await pch.nextBeginning() == "sched")
            let building: PCHProgress = try await pch.get().decoded()
            #expect(building.state == .building && building.position == 0)
            #expect((building.step, building.stepNumber, building.steps) == ("compiling", 2, 3))
            for (position, umbrella) in ["fs", "block", "net"].enumerated() {
                let queued: PCHProgress = try await pch.get(umbrella).decoded()
                #expect(queued.state == .queued && queued.position == position + 1)
                #expect(queued.step == nil && queued.steps == 0)
                #expect(queued.retryAfter > building.retryAfter)
            }
            let metrics = try await pch.server.get("/metrics").text
            #expect(metrics.contains("kheaderd_pch_builds_waiting 3.0\n"))
            #expect(metrics.contains("kheaderd_pch_builds_running 1.0\n"))
            pch.building.release()
            for umbrella in ["net", "block", "fs", "sched"] {
                #expect(try await pch.ready(pch.path(umbrella)).status == 200)
            }
            #expect(pch.building.builds == ["sched", "fs", "block", "net"])
            // All of them from one tree, unpacked once.
            #expect(pch.building.trees.count <= 2)
        }
    }

    @Test func aFullQueueRefuses() async throws {
        try await PCHServer.with(pch: {
            $0.queue = 1
        }) { pch in
            pch.building.hold("sched")
            #expect(try await pch.get().status == 202)
            #expect(await pch.nextBeginning() == "sched")
            #expect(try await pch.get("fs").status == 202)
            for path in [pch.path("net"), "\(pch.path("net"))/manifest.json"] {
                let full = try await pch.server.get(path)
                try expect(full, refusesWith: .pchQueueFull)
                #expect(full["Retry-After"] == "60")
            }
            #expect(try await pch.get("fs").status == 202)
            pch.building.release()
            #expect(try await pch.ready(pch.path("fs")).status == 200)
            #expect(try await pch.ready(pch.path("net")).status == 200)
        }
    }

    @Test func compressedIfTheClientTakesIt() async throws {
        try await PCHServer.with { pch in
            let plain = try await pch.ready(pch.path())
            let answer = try await pch.get("sched", "Accept-Encoding: gzip, zstd;q=0.5")
            #expect(answer["Content-Encoding"] == "zstd")
            #expect(answer["Vary"] == "Accept-Encoding")
            #expect(answer.body.count < plain.body.count)
            #expect(try CompressionTool.zstd.decompress(answer.body) == plain.body)
            #expect(answer["ETag"] == "\"\(answer.digest)\"" && answer["ETag"] != plain["ETag"])
            #expect(answer["Repr-Digest"] != plain["Repr-Digest"])
            let part = try await pch.get("sched", "Accept-Encoding: zstd", "Range: bytes=4-7")
            #expect(part.status == 206 && part.body == Array(answer.body[4..<8]))
            #expect(part["Content-Encoding"] == "zstd")
            for refused in ["identity", "gzip", "zstd;q=0", "zstd; q=0.000", "*", "zst", ""] {
                let answer = try await pch.get("sched", "Accept-Encoding: \(refused)")
                #expect(answer["Content-Encoding"] == nil && answer.body == plain.body, "\(refused)")
            }
            let tag = try #require(answer["ETag"])
            #expect(try await pch.get("sched", "If-None-Match: \(tag)").status == 200)
            let unchanged = try await pch.get("sched", "If-None-Match: \(tag)", "Accept-Encoding: ZSTD")
            #expect(unchanged.status == 304 && unchanged["Vary"] == "Accept-Encoding")
        }
    }

    @Test func partsAndConditions() async throws {
        try await PCHServer.with { pch in
            let whole = try await pch.ready(pch.path())
            let tag = try #require(whole["ETag"])
            let part = try await pch.get("sched", "Range: bytes=10-19", "If-Range: \(tag)")
            #expect(part.status == 206 && part.body == Array(whole.body[10..<20]))
            #expect(try await pch.get("sched", "If-None-Match: \(tag)").status == 304)
            try expect(await pch.get("sched", "If-Match: \"x\""), refusesWith: .preconditionFailed)
            try expect(await pch.get("sched", "Range: bytes=99999-"), refusesWith: .rangeNotSatisfiable)
        }
    }

    @Test func whatIsNotThereIsSaid() async throws {
        try await PCHServer.with { pch in
            let unknown = Digest(of: [9])
            let cases: [(String, ProblemCode)] = [
                (pch.path(of: "ff"), .kernelUnknown), (pch.path(of: "XX"), .buildIDMalformed),
                (pch.path(toolchain: unknown), .toolchainUnknown),
                ("/buildid/\(TestKernels.id)/pch/clang/clang-x86/sched", .digestMalformed),
                (pch.path(profile: "bcc"), .profileUnknown), (pch.path(profile: "clang-arm64"), .profileUnknown),
                (pch.path(profile: "\(unknown)"), .profileUnknown), (pch.path("everything"), .umbrellaUnknown),
                ("\(pch.path())?rank=mine", .parameterMalformed),
            ]
            for (path, code) in cases {
                try expect(await pch.server.get(path), refusesWith: code)
                let end = path.contains("?") ? path.replacing("?", with: "/manifest.json?") : "\(path)/manifest.json"
                try expect(await pch.server.get(end), refusesWith: code)
            }
            #expect(pch.building.builds.isEmpty)
        }
    }

    @Test(arguments: [
        ProblemCode.pchBuildFailed, .pchPairRefused, .pchLimit, .pchUnproved,
    ])
    func aFailureIsKeptForAWhileAndOverARestart(code: ProblemCode) async throws {
        let time = Mutex(1_800_000_000)
        let building = FakeBuilding()
        building.set("sched", .failure(Problem(code, "error: incomplete type 'struct bpf_wq'")))
        let options: (inout HeaderStore.Options) -> Void = {
            $0.now = { time.withLock { $0 } }
            $0.pchRetrySeconds = 100
        }
        try await withTemporaryFolder { folder in
            for hasKernel in [true, false] {
                try await PCHServer.with(
                    in: folder, building: building, hasKernel: hasKernel, options: options
                ) { pch in
                    let answer = try await pch.ready(pch.path())
                    try expect(answer, refusesWith: code)
                    #expect(try answer.problem?.detail == "error: incomplete type 'struct bpf_wq'")
                    try expect(await pch.server.get("\(pch.path())/manifest.json"), refusesWith: code)
                    #expect(building.builds == ["sched"])
                    try await pch.server.store.requireNoStraysButTrees(in: folder)
                }
                #expect(folder.names(in: "store/staging").isEmpty)
            }
            building.set("sched", nil)
            time.withLock { $0 += 100 }
            try await PCHServer.with(in: folder, building: building, hasKernel: false, options: options) { pch in
                let answer = try await pch.ready(pch.path())
                #expect(answer.status == 200)
                #expect(building.builds == ["sched", "sched"])
            }
        }
    }

    /// Not the headers' fault, and perhaps gone in a minute.
    @Test func aFailureOfTheServersOwnIsTriedAgainSoon() async throws {
        let time = Mutex(1_800_000_000)
        try await PCHServer.with(options: {
            $0.now = { time.withLock { $0 } }
        }) { pch in
            pch.building.set("sched", .failure(CancellationError()))
            pch.building.set("fs", .failure(Problem(.diskFull, "Full.")))
            pch.building.set("net", .failure(PosixError()))
            try expect(await pch.ready(pch.path("fs")), refusesWith: .diskFull)
            try expect(await pch.ready(pch.path("net")), refusesWith: .internalError)
            try expect(await pch.get("net"), refusesWith: .internalError)
            #expect(pch.building.builds == ["fs", "net"])
            for name in ["sched", "fs", "net"] { pch.building.set(name, nil) }
            time.withLock { $0 += 60 }
            for name in ["sched", "fs", "net"] { #expect(try await pch.ready(pch.path(name)).status == 200) }
        }
    }

    private struct PosixError: Error {}

    @Test func aRestartKeepsPCHs() async throws {
        let building = FakeBuilding()
        try await withTemporaryFolder { folder in
            var tags: [String?] = []
            for hasKernel in [true, false] {
                try await PCHServer.with(in: folder, building: building, hasKernel: hasKernel) { pch in
                    tags.append(try await pch.ready(pch.path())["ETag"])
                }
            }
            #expect(tags[0] != nil && tags[0] == tags[1])
            #expect(building.builds == ["sched"])
        }
    }

    @Test func aStoppedServerLeavesNothingInStaging() async throws {
        let building = FakeBuilding()
        building.hold("sched", "smoke")
        try await withTemporaryFolder { folder in
            try await PCHServer.with(
                in: folder, building: building, hasKernel: false,
                pch: {
                    $0.builders = 2
                }
            ) { pch in
                try await pch.server.upload()
                #expect(try await pch.get().status == 202)
                #expect(try await pch.get("fs").status == 202)
                var begun: Set<String> = []
                for await name in building.beginnings {
                    begun.insert(name)
                    if begun == ["sched", "smoke"] { break }
                }
                #expect(!folder.names(in: "store/staging").isEmpty)
            }
            #expect(folder.names(in: "store/staging").isEmpty)
            #expect(folder.names(in: "store/pch").isEmpty)
            #expect(!building.builds.contains("fs"))
            // The next one goes on.
            building.release()
            try await PCHServer.with(in: folder, building: building, hasKernel: false) { pch in
                try await pch.settle()
                #expect(try await pch.ready(pch.path()).status == 200)
            }
            #expect(folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func theBudgetIsKept() async throws {
        try await PCHServer.with(options: {
            $0.pchBytes = 18_000
        }) { pch in
            let names = ["sched", "fs", "block"]
            let tags = try await names.asyncMap { try await pch.ready(pch.path($0))["ETag"] }
            #expect(try await pch.server.get("/v1/store").decoded(StoreStatus.self).pchs == 2)
            #expect(try await pch.ready(pch.path("sched"))["ETag"] == tags[0])
            #expect(pch.building.builds == names + ["sched"])
            let metrics = try await pch.server.get("/metrics").text
            #expect(metrics.contains("kheaderd_pchs 2.0\n"))
            #expect(metrics.contains("kheaderd_pch_builds_total{result=\"built\"} 4\n"))
            #expect(metrics.contains("kheaderd_pch_requests_total{answer=\"ready\"} 4\n"))
            #expect(metrics.contains("kheaderd_pch_build_seconds_count 4\n"))
            #expect(metrics.contains("kheaderd_smoke_compiles_total{state=\"verified\"} 1\n"))
        }
    }

    @Test func aDiskThatIsFullMakesNone() async throws {
        let free = Mutex(Int.max / 2)
        try await PCHServer.with(options: {
            $0.freeBytes = { free.withLock { $0 } }
        }) { pch in
            // What is always left free, and the three files that a build may have at a time.
            let room = (64 << 20) + 3 * Sandbox.Limits().outputBytes
            free.withLock { $0 = room - 1 }
            try expect(await pch.ready(pch.path()), refusesWith: .diskFull)
            #expect(pch.building.builds.isEmpty)
            // And the tree.
            free.withLock { $0 = room + (16 << 20) }
            #expect(try await pch.ready(pch.path("fs")).status == 200)
        }
    }

    // MARK: Toolchains, profiles, umbrellas

    @Test func whatCanBeHadIsListed() async throws {
        try await PCHServer.with(pch: {
            $0.umbrellas = [Umbrella(name: "mine", headers: ["linux/sched.h"])]
            $0.profiles = [CompilerProfile(name: "own", flags: ["-O2"])]
        }) { pch in
            let list: ToolchainList = try await pch.server.get("/v1/toolchains").decoded()
            #expect(list.off == nil)
            #expect(list.umbrellas.map(\.name) == Umbrella.standard.map(\.name) + ["mine"])
            #expect(list.toolchains.map(\.toolchain.id) == [pch.toolchain])
            #expect(list.toolchains[0].profiles.map(\.name) == ["own", "clang-x86", "bpf"])
            for profile in list.toolchains[0].profiles {
                let byName = try await pch.ready(pch.path("mine", profile: profile.name))
                #expect(byName.status == 200)
                let byID = try await pch.get("mine", profile: "\(profile.id)")
                #expect(byID["Kheaderd-PCH-Key"] == byName["Kheaderd-PCH-Key"] && byID.status == 200)
            }
            #expect(pch.building.builds.count == 3)
        }
    }

    @Test func whoMakesNoneSaysWhy() async throws {
        try await withTemporaryFolder { folder in
            // One was made before.
            try await PCHServer.with(in: folder) { _ = try await $0.ready($0.path()) }
            let reasons: [((inout PCHOptions) -> Void, String)] = [
                ({ $0.isOn = false }, "pch.on"),
                ({ $0.building = { _ in throw SandboxUnavailable(description: "There is no bwrap.") } }, "no bwrap"),
            ]
            for (change, reason) in reasons {
                try await PCHServer.with(in: folder, hasKernel: false, pch: change) { pch in
                    let list: ToolchainList = try await pch.server.get("/v1/toolchains").decoded()
                    #expect(list.off?.contains(reason) == true)
                    let answer = try await pch.get("net")
                    try expect(answer, refusesWith: .pchOff)
                    #expect(try answer.problem?.detail == list.off)
                    // What is there is served.
                    #expect(try await pch.get("sched").status == 200)
                    #expect(pch.building.builds.isEmpty)
                }
            }
            try await PCHServer.with(
                in: folder, hasKernel: false,
                pch: {
                    $0.registry = ToolchainRegistry(path: "", llvm: "/nowhere")
                }
            ) { pch in
                let list: ToolchainList = try await pch.server.get("/v1/toolchains").decoded()
                #expect(list.toolchains.isEmpty && list.off?.contains("no clang") == true)
                try expect(await pch.get("net"), refusesWith: .toolchainUnknown)
            }
        }
    }
}

extension HeaderStore {
    /// As ``requireNoStrays(in:)``, but for folders that a running server may keep for a moment.
    func requireNoStraysButTrees(in folder: TemporaryFolder) async throws {
        let others = folder.names(in: "store/staging").filter { !$0.hasSuffix("-tree") && !$0.hasSuffix("-smoke") }
        guard others.isEmpty else { throw StoreFlaw(description: "the staging folder has \(others)") }
    }
}
