import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Logging
import OperatorDocuments
import Synchronization
import Testing

@testable import struct HeaderServer.RetentionTask

/// What operators ask and change over HTTP. What comes of it is tested at the store.
@Suite struct OperatorTests {
    private static let path = "/v1/kernels/\(TestKernels.id)"
    private static let long = String(repeating: "x", count: KernelMark.maximumReasonLength)

    @Test func aListThatIsFilteredAndSorted() async throws {
        try await withRunningServer { server in
            for (id, release) in [("aa", "6.1.0-1"), ("bb", "6.1.0-2"), ("cc", "6.2.0-1")] {
                try await server.upload(TestKernels.tar(), as: id, query: "?release=\(release)&source=agent")
            }
            let sighting = TestSightings.json(of: "dd")
            #expect(try await server.post("/v1/kernels/dd/sightings", sighting).status == 200)
            _ = try await server.request("PUT", "/v1/kernels/bb/pin")
            for (query, expected) in [
                ("", ["dd", "aa", "bb", "cc"]), ("order=desc", ["cc", "bb", "aa", "dd"]),
                ("headers=true", ["aa", "bb", "cc"]), ("headers=false", ["dd"]), ("running=true", ["dd"]),
                ("releaseGlob=6.1.0-%5b23%5d", ["bb"]), ("releaseGlob=6.1.*&headers=true", ["aa", "bb"]),
                ("pinned=true", ["bb"]), ("pinned=false&headers=true", ["aa", "cc"]),
                ("source=agent", ["aa", "bb", "cc"]),
                ("source=push", []), ("btf=false&release=6.2.0-1", ["cc"]), ("conflict=true", []),
                ("sort=hosts&limit=1", ["dd"]), ("sort=hosts&order=asc", ["aa", "bb", "cc", "dd"]),
                ("seenSince=99999999999", []), ("seenSince=", ["dd", "aa", "bb", "cc"]), ("purged=true", []),
                ("releaseGlob=********", ["dd", "aa", "bb", "cc"]),
            ] as [(String, [String])] {
                let list: KernelList = try await server.get("/v1/kernels?\(query)").decoded()
                #expect(list.kernels.map { "\($0.identity.buildID)" } == expected, "\(query)")
            }
            let glob = String(repeating: "x", count: 256)
            #expect(try await server.get("/v1/kernels?releaseGlob=\(glob)").status == 200)
            try expect(await server.get("/v1/kernels?releaseGlob=\(glob)x"), refusesWith: .parameterMalformed)
            let first: KernelList = try await server.get("/v1/kernels?sort=hosts&limit=1").decoded()
            let cursor = APIPath.query([("sort", "lastSeen"), ("cursor", first.next)])
            try expect(await server.get("/v1/kernels\(cursor)"), refusesWith: .cursorMismatch)
        }
    }

    @Test func aKernelIsPinnedUnpinnedAndDeleted() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let pinned = try await server.request("PUT", "\(Self.path)/pin?reason=golden%20image")
            #expect(pinned.status == 200)
            #expect(try pinned.decoded(KernelDetail.self).entry.pin?.reason == "golden image")
            try expect(await server.request("DELETE", Self.path), refusesWith: .kernelPinned)
            #expect(try await server.get("/buildid/\(TestKernels.id)/manifest.json").status == 200)
            for _ in 1...2 { #expect(try await server.request("DELETE", "\(Self.path)/pin").status == 204) }
            #expect(try await server.request("DELETE", "\(Self.path)?reason=old").status == 204)
            for path in [
                Self.path, "/buildid/\(TestKernels.id)/manifest.json", "/buildid/\(TestKernels.id)/headers.tar",
                "/buildid/\(TestKernels.id)/section/.BTF",
            ] {
                try expect(await server.get(path), refusesWith: .kernelPurged)
            }
            try expect(await server.request("DELETE", Self.path), refusesWith: .kernelPurged)
            #expect(try await server.get("/v1/kernels").text == #"{"kernels":[]}"#)
            #expect(try await server.upload().storedBytes > 0)
            #expect(try await server.get(Self.path).status == 200)
        }
    }

    @Test func whatIsNotThereOrMalformedIsRefused() async throws {
        try await withRunningServer { server in
            for (method, end) in [
                ("PUT", "/pin"), ("DELETE", "/pin"), ("DELETE", ""), ("GET", "/hosts"), ("GET", "/conflicts"),
            ] {
                try expect(await server.request(method, Self.path + end), refusesWith: .kernelUnknown)
                try expect(await server.request(method, "/v1/kernels/X\(end)"), refusesWith: .buildIDMalformed)
            }
            try await server.upload()
            for reason in ["x\(Self.long)", "%0a"] {
                try expect(
                    await server.request("PUT", "\(Self.path)/pin?reason=\(reason)"), refusesWith: .parameterMalformed)
                try expect(
                    await server.request("DELETE", "\(Self.path)?reason=\(reason)"), refusesWith: .parameterMalformed)
            }
            #expect(try await server.request("PUT", "\(Self.path)/pin?reason=\(Self.long)").status == 200)
            try expect(await server.get("\(Self.path)/hosts?digest=x"), refusesWith: .digestMalformed)
            for query in ["limit=0", "limit=1001", "cursor=x"] {
                try expect(await server.get("\(Self.path)/hosts?\(query)"), refusesWith: .parameterMalformed)
                try expect(await server.get("/v1/conflicts?\(query)"), refusesWith: .parameterMalformed)
            }
            for query in ["limit=0", "limit=1001", "limit=x"] {
                try expect(await server.get("/v1/coverage?\(query)"), refusesWith: .parameterMalformed)
            }
        }
    }

    @Test func kernelsThatAreNotKeptAreRemoved() async throws {
        let clock = Mutex(1_800_000_000)
        try await withRunningServer(options: {
            $0.now = { clock.withLock { $0 } }
            $0.retention.newest = 1
        }) { server in
            try await server.upload()
            try await server.upload(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            for query in [
                "", "?dryRun=", "?dryRun=x", "?dryRun=true&days=0", "?dryRun=true&days=36526", "?dryRun=true&newest=-1",
                "?dryRun=true&bytes=0",
            ] {
                try expect(await server.post("/v1/retention\(query)", ""), refusesWith: .parameterMalformed)
            }
            clock.withLock { $0 += 91 * 86_400 }
            for (query, count) in [
                ("dryRun=true", 1), ("dryRun=true&days=91", 0), ("dryRun=true&newest=0", 2), ("dryRun=false", 1),
                ("dryRun=false", 0),
            ] {
                let report: PruneReport = try await server.post("/v1/retention?\(query)", "").decoded()
                #expect(report.removals.count == count, "\(query)")
                #expect(report.isDryRun == query.contains("true") && report.bytes == nil)
            }
            #expect(try await server.get("/v1/kernels").decoded(KernelList.self).kernels.count == 1)
        }
    }

    /// Once a period, and not before the first one has passed.
    @Test func aServerFollowsItsRulesByItself() async throws {
        let clock = Mutex(1_800_000_000)
        let pauses = Mutex(0)
        try await withRunningServer(options: {
            $0.now = { clock.withLock { $0 } }
            $0.retention.isOn = true
            $0.retention.newest = 1
        }) { server in
            try await server.upload()
            try await server.upload(TestKernels.nextBuild.tar, as: TestKernels.otherID)
            clock.withLock { $0 += 500 * 86_400 }
            // The server is started again before the day is over, time after time.
            let all = RetentionTask.period / RetentionTask.step
            for cutShort in 0..<4 {
                let start = pauses.withLock { $0 }
                let task = RetentionTask(store: server.store, logger: .silent) { period in
                    #expect(period == .seconds(RetentionTask.step))
                    clock.withLock { $0 += RetentionTask.step }
                    let count = pauses.withLock {
                        $0 += 1
                        return $0
                    }
                    // The pause that ends the day has been asked for, and nothing was removed before it.
                    let kernels = try await server.store.kernels(limit: 9).kernels.count
                    #expect(kernels == (count - cutShort <= all ? 2 : 1), "\(count)")
                    // This one the server does not live to the end of.
                    if count == start + all / 3 + 1 { throw CancellationError() }
                }
                await task.run()
            }
            #expect(pauses.withLock { $0 } > all)
        }
    }

    /// By itself it does that, whether it removes kernels or not; and each token's hosts are counted for themselves.
    @Test func aServerForgetsHosts() async throws {
        let clock = Mutex(1_800_000_000)
        try await withTemporaryFolder { folder in
            let (one, other) = (try folder.authorization(.agent), try folder.authorization(.agent))
            let operators = try folder.authorization(.operator)
            try await withRunningServer(
                in: folder,
                options: {
                    $0.now = { clock.withLock { $0 } }
                    $0.hosts.number = 2
                }
            ) { server in
                let upload = try await server.put("\(Self.path)/headers", TestKernels.tar, operators)
                #expect(upload.status == 201)
                func hosts() async throws -> [HostID] {
                    let list = try await server.get("\(Self.path)/hosts", operators)
                    return try list.decoded(HostList.self).hosts.map(\.host)
                }
                func figures() async throws -> [Substring] {
                    let lines = try await server.get("/metrics", operators).text.split(separator: "\n")
                    return lines.filter { $0.hasPrefix("kheaderd_hosts") }
                }
                for (host, token) in [(1, one), (2, other), (3, other), (4, other)] as [(UInt8, String)] {
                    clock.withLock { $0 += 1 }
                    let body = TestSightings.json(host: host)
                    #expect(try await server.post("\(Self.path)/sightings", body, token).status == 200)
                }
                #expect(try await hosts() == [1, 3, 4].map { TestSightings.host($0) })
                #expect(
                    try await figures() == [
                        "kheaderd_hosts 3.0", "kheaderd_hosts_of_one_token 2.0",
                        "kheaderd_hosts_of_one_token_limit 2.0",
                    ])
                clock.withLock { $0 += 91 * 86_400 }
                let pauses = Mutex(0)
                let task = RetentionTask(store: server.store, logger: .silent) { _ in
                    clock.withLock { $0 += RetentionTask.step }
                    let count = pauses.withLock {
                        $0 += 1
                        return $0
                    }
                    let isOver = count > RetentionTask.period / RetentionTask.step
                    let hosts = try await server.store.status().hosts
                    #expect(hosts == (isOver ? 0 : 3), "\(count)")
                    if isOver { throw CancellationError() }
                }
                await task.run()
                #expect(try await server.store.status().kernels == 1)
            }
        }
    }

    @Test func hostsConflictsAndCoverage() async throws {
        try await withRunningServer { server in
            try await server.upload()
            let other = TestKernels.tar { $0.addFile("include/more.h") }
            try expect(await server.put("\(Self.path)/headers", other), refusesWith: .treeConflict)
            for host in [1, 2] as [UInt8] {
                _ = try await server.post("\(Self.path)/sightings", TestSightings.json(host: host))
            }
            let hosts: HostList = try await server.get("\(Self.path)/hosts?limit=1").decoded()
            #expect(hosts.hosts.map(\.host) == [TestSightings.host(1)])
            let next: HostList = try await server.get(
                "\(Self.path)/hosts\(APIPath.query([("cursor", hosts.next)]))"
            ).decoded()
            #expect(next.hosts.map(\.host) == [TestSightings.host(2)] && next.next == nil)
            let conflict: KernelConflict = try await server.get("\(Self.path)/conflicts").decoded()
            #expect(conflict.sides.map(\.isServed) == [true, false])
            #expect(try await server.get("/v1/conflicts").decoded(ConflictList.self).conflicts == [conflict])
            let coverage: Coverage = try await server.get("/v1/coverage").decoded()
            #expect(coverage.hosts == .init(all: 2, headers: 2, btf: 0, pch: 0))
            #expect(coverage.conflicts == [conflict] && coverage.gaps.map(\.lacks) == [[.btf]])
            // Both sides' hosts, for people.
            let page = try await server.get("/kernels/\(conflict.buildID)").text
            for side in conflict.sides {
                for host in side.hostIDs { #expect(page.contains("<li><code>\(host)</code></li>")) }
            }
            #expect(page.contains("<h3>The server’s headers</h3>") && page.contains("<h3>Other headers</h3>"))
        }
    }
}
