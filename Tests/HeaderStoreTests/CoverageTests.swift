import GRDB
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@testable import HeaderStore

/// What the fleet runs and lacks, the hosts of a kernel, and conflicts with the hosts on each side.
@Suite struct CoverageTests {
    private static func host(_ number: Int) throws -> HostID {
        try #require(HostID(bytes: (0..<HostID.length).map { $0 < 15 ? 0 : UInt8(number) }))
    }

    private static func sighting(
        _ number: Int, of id: BuildID, release: String = "6.1.0", hasBTF: Bool? = nil,
        steps: [CollectStep] = [CollectStep(.sysfs, .missing)], _ offers: [ArtefactOffer] = []
    ) throws -> Sighting {
        Sighting(
            host: try host(number), bootID: "1", agent: "test/1",
            kernel: KernelIdentity(buildID: id, release: release, hasBTF: hasBTF), steps: steps, offers: offers)
    }

    private static func offer(_ archive: [UInt8]) -> ArtefactOffer {
        ArtefactOffer(.headers, origin: .sysfs, bytes: archive.count, digest: SHA256Hash.digest(of: archive))
    }

    @Test func whatRunsAndWhatIsLacking() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.now = { 99 } }
            let nothing = try await store.coverage(limit: 9)
            #expect(nothing.kernels == .init(all: 0, headers: 0, btf: 0, pch: 0) && nothing.gaps.isEmpty)
            let whole = try StoredKernel(id: 1, revision: 1)
            let headersOnly = try StoredKernel(id: 2, revision: 2)
            let withoutBTF = try StoredKernel(id: 3, revision: 3)
            let unused = try StoredKernel(id: 4, revision: 4)
            let missing = try StoredKernel(id: 5, revision: 5)
            for kernel in [whole, headersOnly, withoutBTF, unused] { try await store.put(kernel) }
            for kernel in [whole, unused] { try await store.put(btf: SmallBTF.bytes(), of: kernel.id) }
            for host in 1...3 { _ = try await store.checkIn(try Self.sighting(host, of: whole.id)) }
            for host in 4...5 { _ = try await store.checkIn(try Self.sighting(host, of: headersOnly.id)) }
            _ = try await store.checkIn(try Self.sighting(6, of: withoutBTF.id, hasBTF: false))
            let damaged = [CollectStep(.sysfs, .missing), CollectStep(.modulesFolder, .damaged, "three files")]
            for host in 7...9 {
                _ = try await store.checkIn(try Self.sighting(host, of: missing.id, steps: damaged))
            }
            _ = try await store.checkIn(try Self.sighting(10, of: missing.id))

            let coverage = try await store.coverage(limit: 9)
            #expect(coverage.time == 99)
            #expect(coverage.kernels == .init(all: 4, headers: 3, btf: 2, pch: 0))
            #expect(coverage.hosts == .init(all: 10, headers: 6, btf: 4, pch: 0))
            #expect(coverage.gapCount == 2)
            #expect(coverage.gaps.map(\.kernel.identity.buildID) == [missing.id, headersOnly.id])
            #expect(coverage.gaps.map(\.lacks) == [[.headers, .btf], [.btf]])
            #expect(coverage.gaps[0].reports.map(\.hosts) == [3, 1])
            #expect(coverage.gaps[0].reports[0].steps == damaged)
            // Headers say better what their release is than their hosts, which all say the same.
            #expect(coverage.releases.map(\.release) == [] && coverage.releaseCount == 0)
            #expect(try await store.coverage(limit: 1).gaps.count == 1)
            #expect(try await store.coverage(limit: 1).gapCount == 2)
            try store.close()
        }
    }

    @Test func aReleaseOfSeveralBuilds() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let ids = try (1...5).map { try StoredKernel(id: UInt8($0), revision: 1).id }
            for (host, (id, release)) in zip(ids, ["6.1", "6.1", "6.2", "6.3", "6.3"]).enumerated() {
                _ = try await store.checkIn(try Self.sighting(host, of: id, release: release))
            }
            // The last host moves on, so that one build of 6.3 runs.
            _ = try await store.checkIn(try Self.sighting(4, of: ids[3], release: "6.3"))
            let coverage = try await store.coverage(limit: 9)
            #expect(coverage.releaseCount == 1 && coverage.releases.map(\.release) == ["6.1"])
            #expect(coverage.releases[0].count == 2)
            #expect(coverage.releases[0].builds.map(\.buildID) == [ids[0], ids[1]])
            #expect(coverage.releases[0].builds.map(\.hosts) == [1, 1])
            try store.close()
        }
    }

    @Test func aConflictHasTheHostsOnEachSide() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        let broken = try StoredKernel(id: 1, revision: 2)
        let fine = try StoredKernel(id: 2, revision: 3)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.now = { 50 } }
            try await store.put(fine)
            let claim = try #require(
                try await store.checkIn(try Self.sighting(1, of: kernel.id, [Self.offer(kernel.archive)])).verdicts
                    .first?
                    .claim)
            try await store.put(kernel.archive, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
            _ = try await store.checkIn(try Self.sighting(2, of: kernel.id, [Self.offer(kernel.archive)]))
            for host in 3...30 {
                _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, [Self.offer(broken.archive)]))
            }
            await #expect(throws: Problem.self) {
                try await store.put(broken.archive, as: KernelIdentity(buildID: kernel.id), source: .push)
            }
            let conflict = try await store.conflict(of: kernel.id)
            #expect(conflict.sides.map(\.isServed) == [true, false, false])
            #expect(conflict.sides.map(\.hosts) == [2, 28, 0])
            #expect(conflict.sides[0].digest == SHA256Hash.digest(of: kernel.archive))
            #expect(conflict.sides[0].treeDigest == kernel.manifest.digest && conflict.sides[0].source == .agent)
            let agreeing = try (1...2).map(Self.host)
            #expect(conflict.sides[0].hostIDs == agreeing)
            #expect(conflict.sides[1].digest == SHA256Hash.digest(of: broken.archive))
            #expect(conflict.sides[1].hostIDs.count == KernelConflict.maximumHosts)
            #expect(conflict.sides[2].treeDigest == broken.manifest.digest && conflict.sides[2].digest == nil)
            #expect(try await store.conflicts(limit: 9) == ConflictList(conflicts: [conflict], next: nil))
            #expect(try await store.detail(of: kernel.id).conflict == conflict)
            #expect(try await store.coverage(limit: 9).conflicts == [conflict])
            #expect(try await store.conflict(of: fine.id).sides.isEmpty)
            let unknown = await #expect(throws: Problem.self) {
                try await store.conflict(of: try StoredKernel(id: 9, revision: 1).id)
            }
            #expect(unknown?.code == .kernelUnknown)

            // All hosts of a side, page by page.
            var found: [HostID] = []
            var cursor: String?
            repeat {
                let page = try await store.hosts(
                    of: kernel.id, digest: SHA256Hash.digest(of: broken.archive), after: cursor, limit: 10)
                found += page.hosts.map(\.host)
                cursor = page.next
            } while cursor != nil && found.count < 99
            let expected = try (3...30).map(Self.host)
            #expect(found == expected)
            try await store.purge(kernel.id)
            #expect(try await store.conflicts(limit: 9).conflicts.isEmpty)
            try store.close()
        }
    }

    /// A host that has mended its headers or its BTF is no other side any more, however many agreed before.
    @Test(arguments: Artefact.allCases) func aConflictThatIsMendedIsNone(artefact: Artefact) async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        let (good, bad) =
            artefact == .btf
            ? (SmallBTF.bytes(), SmallBTF.bytes(["other"])) : (kernel.archive, Array(kernel.archive.dropLast()))
        func offer(_ bytes: [UInt8]) -> ArtefactOffer {
            ArtefactOffer(
                artefact, origin: artefact == .btf ? nil : .sysfs, bytes: bytes.count,
                digest: SHA256Hash.digest(of: bytes))
        }
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let claim = try #require(
                try await store.checkIn(try Self.sighting(1, of: kernel.id, [offer(good)])).verdicts.first?.claim)
            if artefact == .btf {
                try await store.put(btf: good, of: kernel.id)
            } else {
                try await store.put(good, as: KernelIdentity(buildID: kernel.id), origin: .sysfs, claim: claim)
            }
            for host in 2...4 { _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, [offer(good)])) }
            for (host, bytes, hosts) in [
                (5, bad, 1), (6, bad, 2), (5, good, 1), (6, good, 0), (6, bad, 1), (6, good, 0),
            ] {
                _ = try await store.checkIn(try Self.sighting(host, of: kernel.id, [offer(bytes)]))
                #expect(try await store.conflict(of: kernel.id).sides.last { !$0.isServed }?.hosts ?? 0 == hosts)
                let count = hosts == 0 ? 0 : 1
                #expect(try await store.conflicts(limit: 9).conflicts.count == count)
                #expect(try await store.coverage(limit: 9).conflictCount == count)
                #expect(try await store.detail(of: kernel.id).entry.conflicts == count)
                #expect(try await store.status().conflicts == count)
                var query = KernelQuery()
                query.hasConflicts = true
                #expect(try await store.kernels(query).kernels.count == count)
            }
            try store.close()
        }
    }

    /// However much there is of it, the document of one kernel has an end, and so have the builds of a release.
    @Test func whatHasNoPagesEnds() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel)
            try await store.put(btf: SmallBTF.bytes(), of: kernel.id)
            for number in 1...7 {
                let steps = [CollectStep(.sysfs, .missing, "\(number)")]
                _ = try await store.checkIn(try Self.sighting(number, of: kernel.id, steps: steps))
            }
            try store.catalogue.write { database in
                for number in 1...120 {
                    let digest = Digest(of: [UInt8(number)])
                    try database.execute(
                        sql: "INSERT INTO conflict VALUES (?, ?, 'push', 1, 1, 1, NULL)",
                        arguments: [kernel.id, digest])
                    try database.execute(
                        sql: """
                            INSERT INTO pch (key, treeDigest, rank, digest, bytes, zstdDigest, zstdBytes, document) VALUES
                            (?, ?, 'server', ?, 1, ?, 1, json_object('toolchain', ?, 'profileName', 'x', 'umbrella', 'y'))
                            """, arguments: [digest, kernel.manifest.digest, digest, digest, "\(digest)"])
                }
            }
            let detail = try await store.detail(of: kernel.id)
            #expect(detail.reports.count == KernelDetail.maximumReports)
            #expect(detail.entry.conflicts == 120)
            let sides = try #require(detail.conflict?.sides)
            #expect(sides.count == KernelConflict.maximumSides && sides[0].isServed)
            #expect(detail.artefacts.count { $0.kind == .pch } == 100)

            for number in 10...34 {
                let id = try StoredKernel(id: UInt8(number), revision: 1).id
                _ = try await store.checkIn(try Self.sighting(number, of: id, release: "6.6"))
            }
            let release = try #require(try await store.coverage(limit: 9).releases.first)
            #expect(release.count == 25 && release.builds.count == Coverage.maximumBuilds)
            try store.close()
        }
    }

    @Test func manyConflictsHavePages() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            for id in [3, 1, 2] as [UInt8] {
                try await store.put(try StoredKernel(id: id, files: ["include/a.h": [id]]))
                await #expect(throws: Problem.self) {
                    try await store.put(try StoredKernel(id: id, files: ["include/a.h": [0]]))
                }
            }
            var found: [UInt8] = []
            var cursor: String?
            repeat {
                let page = try await store.conflicts(after: cursor, limit: 1)
                found += page.conflicts.map(\.buildID.bytes[0])
                cursor = page.next
            } while cursor != nil && found.count < 9
            #expect(found == [1, 2, 3])
            let problem = await #expect(throws: Problem.self) { try await store.conflicts(after: "x", limit: 1) }
            #expect(problem?.code == .parameterMalformed)
            try store.close()
        }
    }

    @Test(arguments: [1, 2, 5, 9])
    func theHostsOfAKernelHavePages(limit: Int) async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.now = { 50 } }
            let unknown = await #expect(throws: Problem.self) { try await store.hosts(of: kernel.id, limit: 1) }
            #expect(unknown?.code == .kernelUnknown)
            for host in (1...5).reversed() { _ = try await store.checkIn(try Self.sighting(host, of: kernel.id)) }
            _ = try await store.checkIn(try Self.sighting(9, of: try StoredKernel(id: 2, revision: 1).id))
            var found: [HostEntry] = []
            var cursor: String?
            repeat {
                let page = try await store.hosts(of: kernel.id, after: cursor, limit: limit)
                #expect((1...limit).contains(page.hosts.count))
                found += page.hosts
                cursor = page.next
            } while cursor != nil && found.count < 99
            let expected = try (1...5).map(Self.host)
            #expect(found.map(\.host) == expected)
            #expect(
                found[0]
                    == HostEntry(
                        host: expected[0], bootID: "1", agent: "test/1", firstSeen: 50, lastSeen: 50,
                        steps: [CollectStep(.sysfs, .missing)]))
            let problem = await #expect(throws: Problem.self) {
                try await store.hosts(of: kernel.id, after: "x", limit: 1)
            }
            #expect(problem?.code == .parameterMalformed)
            try store.close()
        }
    }
}
