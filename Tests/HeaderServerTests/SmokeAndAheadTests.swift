import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import PrecompiledHeaders
import Synchronization
import Testing

/// What is done before anyone asks: smoke compiles, and PCHs for new kernels.
@Suite struct SmokeAndAheadTests {
    @Test func eachTreeIsTriedOnceAndTheListSaysHowItWent() async throws {
        let building = FakeBuilding()
        try await withTemporaryFolder { folder in
            try await PCHServer.with(in: folder, building: building) { pch in
                let smoke = try #require(try await pch.server.summary().smoke)
                #expect(smoke.state == .verified && smoke.detail == nil && smoke.time != nil)
                #expect(smoke.compiler == "Debian clang version 14.0.6")
                building.setSmoke(.failed)
                try await pch.addKernel(TestKernels.nextBuild.tar, as: TestKernels.otherID)
                let failed = try #require(try await pch.server.summary(TestKernels.otherID).smoke)
                #expect(failed.state == .failed && failed.detail == "error: no")
                let list: KernelList = try await pch.server.get("/v1/kernels").decoded()
                #expect(
                    list.kernels.compactMap(\.smoke?.state).sorted { $0.rawValue < $1.rawValue } == [
                        .failed, .verified,
                    ])
                // The same tree under another build ID has been tried.
                try await pch.server.upload(as: "aa")
                #expect(try await pch.server.summary("aa").smoke == smoke)
            }
            try await PCHServer.with(in: folder, building: building, hasKernel: false) { pch in
                let answer = try await pch.ready(pch.path())
                #expect(answer.status == 200)
            }
            #expect(building.smokeCount == 2)
        }
    }

    @Test func treesFromBeforeAreTriedAfterTheStart() async throws {
        try await withTemporaryFolder { folder in
            try await withRunningServer(in: folder) { server in
                for number in 1...12 {
                    let tar = SmallKernel(revision: number, hasLargeFile: false).tar
                    try await server.upload(tar, as: "0\(String(number, radix: 16))")
                }
                #expect(try await server.summary("01").smoke == SmokeResult(state: .untried))
            }
            try await PCHServer.with(in: folder, hasKernel: false) { pch in
                for number in 1...12 { try await pch.settle("0\(String(number, radix: 16))") }
                #expect(pch.building.smokeCount == 12)
            }
        }
    }

    @Test func whatCanNotBeTriedDoesNotKeepTheOthersWaiting() async throws {
        let building = FakeBuilding()
        try await PCHServer.with(building: building, hasKernel: false) { pch in
            // Neither says for which machine it is.
            try await pch.server.upload(TestKernels.tar(), as: "aa")
            try await pch.addKernel()
            for _ in 0..<5000 where try await pch.server.summary("aa").smoke?.detail != nil { break }
            let smoke = try #require(try await pch.server.summary("aa").smoke)
            #expect(smoke.state == .untried && smoke.detail?.contains("architecture") == true)
            #expect(building.smokeCount == 1)
            try expect(await pch.server.get(pch.path(of: "aa")), refusesWith: .pchBuildFailed)
        }
    }

    @Test func whatWasAskedForLatelyIsMadeForANewKernel() async throws {
        let time = Mutex(1_800_000_000)
        try await PCHServer.with(options: {
            $0.now = { time.withLock { $0 } }
        }) { pch in
            #expect(try await pch.ready(pch.path("sched")).status == 200)
            time.withLock { $0 += 10 * 86400 }
            #expect(try await pch.ready(pch.path("net", profile: "bpf")).status == 200)
            time.withLock { $0 += 5 * 86400 }
            // Of the two only the second was asked for within 14 days.
            try await pch.addKernel(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            while pch.building.builds.count < 3 { _ = try await pch.server.get("/livez") }
            #expect(pch.building.builds == ["sched", "net", "net"])
            #expect(try await pch.ready(pch.path("net", profile: "bpf", of: TestKernels.otherID)).status == 200)
            #expect(pch.building.builds.count == 3)
            #expect(try await pch.ready(pch.path("sched", of: TestKernels.otherID)).status == 200)
        }
    }

    @Test func headersThatAreOfNoUseAreNotBuiltAhead() async throws {
        try await PCHServer.with { pch in
            #expect(try await pch.ready(pch.path("sched")).status == 200)
            pch.building.setSmoke(.failed)
            try await pch.addKernel(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            #expect(try await pch.ready(pch.path("fs")).status == 200)
            #expect(pch.building.builds == ["sched", "fs"])
        }
    }

    @Test func whoAsksGoesBeforeWhatIsMadeAhead() async throws {
        try await PCHServer.with { pch in
            for umbrella in ["sched", "fs", "block"] { #expect(try await pch.ready(pch.path(umbrella)).status == 200) }
            pch.building.hold("sched", "fs", "block")
            try await pch.addKernel(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            var count = 0
            for await name in pch.building.beginnings where name != "smoke" {
                count += 1
                if count == 4 { break }
            }
            // One of the three is being made; of the others, the last is asked for, and net, too.
            let first = try #require(pch.building.builds.last)
            let others = pch.building.builds.prefix(3).filter { $0 != first }
            let last: PCHProgress = try await pch.server.get(pch.path(others[1], of: TestKernels.otherID)).decoded()
            #expect(last.position == 1)
            let net: PCHProgress = try await pch.server.get(pch.path("net", of: TestKernels.otherID)).decoded()
            #expect(net.position == 2)
            pch.building.release()
            for umbrella in ["sched", "fs", "block", "net"] {
                #expect(try await pch.ready(pch.path(umbrella, of: TestKernels.otherID)).status == 200)
            }
            #expect(Array(pch.building.builds.dropFirst(3).prefix(3)) == [first, others[1], "net"])
        }
    }
}
