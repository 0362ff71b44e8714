import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct PCHStoreTests {
    private static func bytes(_ seed: String, count: Int = 3000) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    private static func key(_ name: String) -> Digest { Digest(of: Array(name.utf8)) }

    /// Publishes random bytes under a name.
    private func publish(
        _ name: String, rank: String = "server", contents: [UInt8]? = nil, as digest: Digest? = nil,
        to store: HeaderStore, _ folder: TemporaryFolder
    ) async throws {
        let bytes = contents ?? Self.bytes(name)
        let path = try folder.write(bytes, to: "made/\(name)")
        try await store.publishPCH(
            Self.key(name), tree: Digest(of: [1]), rank: rank, digest: digest ?? Digest(of: bytes),
            document: #"{"name":"\#(name)"}"#, from: path)
    }

    private static func contents(_ file: DerivedFile) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: file.length)
        let count = try bytes.withUnsafeMutableBytes { try file.contents.read(at: 0, into: $0) }
        return Array(bytes[..<count])
    }

    private func withStore(
        _ change: (inout HeaderStore.Options) -> Void = { _ in },
        _ body: (HeaderStore, TemporaryFolder) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"), change)
            try await body(store, folder)
            try await store.requireNoStrays(in: folder.path("store"))
            try store.close()
        }
    }

    @Test func whatIsPublishedIsThereInBothForms() async throws {
        try await withStore { store, folder in
            #expect(store.pch(Self.key("a")) == nil)
            #expect(try await store.pchDocument(Self.key("a")) == nil)
            try await publish("a", to: store, folder)
            let pch = try #require(store.pch(Self.key("a")))
            #expect(pch.rank == "server" && pch.tree == Digest(of: [1]))
            #expect(try Self.contents(pch.file) == Self.bytes("a"))
            #expect(pch.file.digest == Digest(of: Self.bytes("a")))
            let compressed = try Self.contents(pch.compressed)
            #expect(pch.compressed.digest == Digest(of: compressed))
            #expect(try CompressionTool.zstd.decompress(compressed) == Self.bytes("a"))
            #expect(try await store.pchDocument(Self.key("a")) == #"{"name":"a"}"#)
            let status = try await store.status()
            #expect(status.pchs == 1)
            #expect(status.pchBytes == pch.file.length + pch.compressed.length)
        }
    }

    @Test func anotherDigestIsRefusedAndLeavesNothing() async throws {
        try await withStore { store, folder in
            let problem = await #expect(throws: Problem.self) {
                try await publish("a", as: Digest(of: []), to: store, folder)
            }
            #expect(problem?.code == .pchMalformed)
            #expect(store.pch(Self.key("a")) == nil)
        }
    }

    @Test func aRestartKeepsPCHsFailuresDemandProfilesAndSmokeResults() async throws {
        let time = Mutex(1_800_000_000)
        let change: (inout HeaderStore.Options) -> Void = { $0.now = { time.withLock { $0 } } }
        let kernel = try StoredKernel(id: 1, revision: 1)
        let smoke = SmokeResult(state: .failed, compiler: "clang version 14", detail: "error: no", time: 5)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state, change)
            try await store.put(kernel)
            try await publish("a", to: store, folder)
            try await store.pchFailed(Self.key("b"), Problem(.pchLimit, "Too long."))
            store.pchAsked(PCHDemand(toolchain: Self.key("t"), profile: "bcc", umbrella: "net"))
            #expect(try await store.putProfile("{}", id: Self.key("p")))
            #expect(try await !store.putProfile("other", id: Self.key("p")))
            try await store.smokeEnded(smoke, tree: kernel.manifest.digest, recipe: "1")
            try store.close()

            let again = try HeaderStore(folder: state, change)
            let pch = try #require(again.pch(Self.key("a")))
            #expect(try Self.contents(pch.file) == Self.bytes("a"))
            #expect(
                again.pchFailure(Self.key("b")) == PCHFailure(code: .pchLimit, detail: "Too long.", time: 1_800_000_000)
            )
            #expect(
                try await again.pchDemand(since: 0)
                    == [PCHDemand(toolchain: Self.key("t"), profile: "bcc", umbrella: "net")])
            #expect(try await again.profile(Self.key("p")) == "{}")
            #expect(try await again.kernel(kernel.id).smoke == smoke)
            try await again.requireNoStrays(in: state)
            try again.close()

            // What can be made again goes; what only the catalogue knew stays.
            _ = try CatalogueRebuild(folder: state, logger: .silent).run()
            let rebuilt = try HeaderStore(folder: state, change)
            #expect(rebuilt.pch(Self.key("a")) == nil)
            #expect(try await rebuilt.profile(Self.key("p")) == "{}")
            #expect(try await rebuilt.pchDemand(since: 0).count == 1)
            #expect(try await rebuilt.kernel(kernel.id).smoke == smoke)
            try await rebuilt.requireNoStrays(in: state)
            try rebuilt.close()
        }
    }

    /// A store from before there were PCHs, as its catalogue's table of migrations has it.
    @Test func aRebuildOfAnOlderCatalogueTakesOverWhatThatHas() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            try await store.put(kernel)
            try store.close()
            let script = """
                import sqlite3, sys
                database = sqlite3.connect(sys.argv[1])
                for table in "smoke", "pchDemand", "pchDocument", "pchFailure", "pch":
                    database.execute("DROP TABLE " + table)
                database.execute("INSERT INTO conflict VALUES (x'01', zeroblob(32), 'push', 1, 1, 1, NULL)")
                database.commit()
                """
            try ShellCommand("python3", "-c", script, "\(state)/catalogue.sqlite").output()
            #expect(try CatalogueRebuild(folder: state, logger: .silent).run().kernels == 1)
            let rebuilt = try HeaderStore(folder: state)
            #expect(try await rebuilt.status().conflicts == 1)
            try await rebuilt.requireWhole(kernel)
        }
    }

    @Test func theLeastRecentlyUsedGoesAndStaysReadable() async throws {
        // Each takes 3000 bytes and a little more compressed, which they can't be.
        try await withStore {
            $0.pchBytes = 13_000
        } _: { store, folder in
            for name in ["a", "b"] { try await publish(name, to: store, folder) }
            let held = try #require(store.pch(Self.key("b")))
            _ = store.pch(Self.key("a"))
            try await publish("c", to: store, folder)
            #expect(store.pch(Self.key("b")) == nil)
            #expect(store.pch(Self.key("a")) != nil && store.pch(Self.key("c")) != nil)
            #expect(try Self.contents(held.file) == Self.bytes("b"))
            #expect(try await store.pchDocument(Self.key("b")) == nil)
            // Larger than all that may be kept: it is the only one.
            try await publish("d", contents: Self.bytes("d", count: 20_000), to: store, folder)
            #expect(store.pch(Self.key("d")) != nil)
            #expect(try await store.status().pchs == 1)
        }
    }

    /// Bundles first, which are made in a second.
    @Test func bothCachesGiveWayWhenTheDiskIsShort() async throws {
        let free = Mutex(Int.max / 2)
        let kernel = try StoredKernel(id: 1, revision: 1)
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state) {
                $0.freeBytes = {
                    // Counted as the file system would.
                    let used = try ["bundles", "pch"].reduce(0) { sum, name in
                        try FolderListing.names(in: "\(state)/\(name)").reduce(sum) {
                            $0 + (try FileSource(path: "\(state)/\(name)/\($1)").readAll().count)
                        }
                    }
                    return DiskBudget.margin + free.withLock { $0 } - used
                }
            }
            try await store.put(kernel)
            _ = try await store.bundleBytes(kernel, .tar)
            try await publish("a", to: store, folder)
            let status = try await store.status()
            let (bundles, pchs) = (status.bundleBytes, try #require(status.pchBytes))
            free.withLock { $0 = bundles + pchs }
            _ = try store.stageUpload(expecting: 10)
            #expect(try await store.status().bundleBytes == 0)
            #expect(store.pch(Self.key("a")) != nil)
            _ = try store.stageUpload(expecting: bundles + 10)
            #expect(store.pch(Self.key("a")) == nil)
            let problem = #expect(throws: Problem.self) { try store.stageUpload(expecting: bundles + pchs + 1) }
            #expect(problem?.code == .diskFull)
            await #expect(throws: Problem.self) {
                free.withLock { $0 = 100 }
                try await publish("a", to: store, folder)
            }
            try await store.requireNoStrays(in: state)
            try store.close()
        }
    }

    @Test func anotherOfTheSameKeyTakesItsPlace() async throws {
        try await withStore { store, folder in
            try await publish("a", rank: "builder", contents: [1, 2, 3], to: store, folder)
            #expect(store.pch(Self.key("a"))?.rank == "builder")
            try await publish("a", to: store, folder)
            let pch = try #require(store.pch(Self.key("a")))
            #expect(pch.rank == "server")
            #expect(try Self.contents(pch.file) == Self.bytes("a"))
            #expect(folder.names(in: "store/pch").count == 2)
            // The same once more.
            try await publish("a", to: store, folder)
            #expect(try await store.status().pchs == 1)
        }
    }

    @Test func whatTheFolderAndTheCatalogueDoNotAgreeOnGoes() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for name in ["whole", "short", "half", "gone"] { try await publish(name, to: store, folder) }
            try store.close()
            func file(_ name: String, _ end: String) -> String {
                "store/pch/\(Self.key(name)).\(Digest(of: Self.bytes(name))).\(end)"
            }
            try folder.write(Self.bytes("short").dropLast(), to: file("short", "pch"))
            try PosixFileSystem().remove(folder.path(file("half", "pch.zst")))
            for end in ["pch", "pch.zst"] { try PosixFileSystem().remove(folder.path(file("gone", end))) }
            try folder.write([1], to: "store/pch/\(Self.key("stray")).\(Self.key("x")).pch")
            try folder.write([1], to: "store/staging/7-pch")
            // What a build that was killed leaves.
            try folder.write([1], to: "store/staging/8-build/work/stubs/include/linux/sched.h")
            try folder.write([1], to: "store/staging/8-build/output.pch", mode: 0)
            let again = try HeaderStore(folder: state)
            #expect(
                ["whole", "short", "half", "gone"].map { again.pch(Self.key($0)) != nil } == [
                    true, false, false, false,
                ])
            try await again.requireNoStrays(in: state)
            try again.close()
        }
    }

    @Test func aFileThatIsShortWhenItIsAskedForIsNotThere() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await publish("a", to: store, folder)
            let name = try #require(folder.names(in: "store/pch").first)
            try folder.write([1], to: "store/pch/\(name)")
            #expect(store.pch(Self.key("a")) == nil)
            try await publish("a", to: store, folder)
            #expect(store.pch(Self.key("a")) != nil)
            try await store.requireNoStrays(in: folder.path("store"))
        }
    }

    /// Each call by which a PCH is published fails once.
    @Test func afterAnyCallThatFailsThereIsAllOrNothing() async throws {
        let left = Mutex(0)
        let files = ObservedFileSystem { moment, call in
            guard moment == .before else { return }
            try left.withLock { left in
                left -= 1
                if left == 0 { throw SystemCallError(call: call.name, path: nil, number: 5) }
            }
        }
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.files = files }
            for step in 1... {
                left.withLock { $0 = step }
                let name = "step \(step)"
                do { try await publish(name, to: store, folder) } catch is SystemCallError {
                    left.withLock { $0 = 0 }
                    #expect(store.pch(Self.key(name)) == nil)
                }
                let wasReached = left.withLock { $0 <= 0 }
                left.withLock { $0 = 0 }
                try await publish(name, to: store, folder)
                #expect(store.pch(Self.key(name)) != nil)
                if !wasReached {
                    #expect(step > 8)
                    break
                }
            }
            // A name that could not be given back stays until the next start.
            try store.close()
            let again = try HeaderStore(folder: folder.path("store"))
            try await again.requireNoStrays(in: folder.path("store"))
            try again.close()
        }
    }

    @Test func failuresCountForAWhile() async throws {
        let time = Mutex(1_800_000_000)
        try await withStore {
            $0.now = { time.withLock { $0 } }
            $0.pchRetrySeconds = 100
        } _: { store, folder in
            let key = Self.key("a")
            #expect(store.pchFailure(key) == nil)
            let words = String(repeating: "é", count: PCHFailure.detailBytes)
            try await store.pchFailed(key, Problem(.pchBuildFailed, words))
            let failure = try #require(store.pchFailure(key))
            #expect(failure.code == .pchBuildFailed)
            #expect(failure.detail.utf8.count <= PCHFailure.detailBytes && failure.detail.hasPrefix("éé"))
            time.withLock { $0 += 99 }
            #expect(store.pchFailure(key) != nil)
            time.withLock { $0 += 1 }
            #expect(store.pchFailure(key) == nil)
            try await store.pchFailed(key, Problem(.pchLimit, "Again."))
            #expect(store.pchFailure(key)?.code == .pchLimit)
            // A clock that is put back does not make it last longer.
            time.withLock { $0 -= 1000 }
            #expect(store.pchFailure(key) == nil)
            time.withLock { $0 += 1000 }
            try await publish("a", to: store, folder)
            #expect(store.pchFailure(key) == nil)
            // Long after, they are gone from the disk as well.
            try await store.pchFailed(Self.key("b"), Problem(.pchLimit, "Old."))
            time.withLock { $0 += 8 * 86400 }
            try await store.pchFailed(Self.key("c"), Problem(.pchLimit, "New."))
            let kept = try store.catalogue.write { try store.catalogue.failures($0) }
            #expect(Array(kept.keys) == [Self.key("c")])
        }
    }

    @Test func onlySoManyFailuresAreKept() throws {
        try withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let left = try store.catalogue.write { database in
                for number in 0..<20 {
                    let failure = PCHFailure(code: .pchLimit, detail: "\(number)", time: 100)
                    try store.catalogue.insert(failure, for: Self.key("\(number)"), database)
                }
                return try store.catalogue.removeFailures(before: 0, keeping: 5, database)
            }
            #expect(Set(left.values.map(\.detail)) == ["15", "16", "17", "18", "19"])
            try store.close()
        }
    }

    @Test func demandIsWrittenOnceAnHourAndForgotten() async throws {
        let time = Mutex(1_800_000_000)
        try await withStore {
            $0.now = { time.withLock { $0 } }
        } _: { store, _ in
            let demand = PCHDemand(toolchain: Self.key("t"), profile: "bcc-0.26.0", umbrella: "net")
            let other = PCHDemand(toolchain: Self.key("t"), profile: "bpf", umbrella: "sched")
            for _ in 0..<100 { store.pchAsked(demand) }
            time.withLock { $0 += 3599 }
            store.pchAsked(demand)
            #expect(try await store.pchDemand(since: 1_800_000_000) == [demand])
            #expect(try await store.pchDemand(since: 1_800_000_001) == [])
            time.withLock { $0 += 1 }
            store.pchAsked(demand)
            #expect(try await store.pchDemand(since: 1_800_000_001) == [demand])
            time.withLock { $0 += 1 }
            store.pchAsked(other)
            #expect(try await store.pchDemand(since: 0) == [other, demand])
            let count = try store.catalogue.write { database in
                try store.catalogue.removeDemand(keeping: 1, database)
                return try store.catalogue.demand(since: 0, database)
            }
            #expect(count == [other])
        }
    }

    @Test func theProfileThatNobodyAsksForGoesFirst() async throws {
        let time = Mutex(1_800_000_000)
        try await withStore {
            $0.now = { time.withLock { $0 } }
        } _: { (store: HeaderStore, _: TemporaryFolder) async throws in
            for number in 0..<KeptDocuments.maximum {
                time.withLock { $0 += 1 }
                #expect(try await store.putProfile("\(number)", id: Self.key("\(number)")))
            }
            // Toolchains are counted apart.
            #expect(try await store.putToolchain("x", id: Self.key("0")))
            time.withLock { $0 += 7200 }
            #expect(try await store.profile(Self.key("0")) == "0")
            #expect(try await store.putProfile("new", id: Self.key("new")))
            #expect(try await store.profile(Self.key("0")) == "0")
            #expect(try await store.profile(Self.key("1")) == nil)
            #expect(try await store.profile(Self.key("2")) == "2")
            #expect(try await store.toolchain(Self.key("0")) == "x")
            #expect(try await store.toolchain(Self.key("1")) == nil)
        }
    }

    @Test func treesWithoutSmokeCompileAreTheNewestFirst() async throws {
        let time = Mutex(1_800_000_000)
        try await withStore {
            $0.now = { time.withLock { $0 } }
        } _: { store, _ in
            let kernels = try (1...3).map { try StoredKernel(id: UInt8($0), revision: $0) }
            for kernel in kernels {
                time.withLock { $0 += 10 }
                try await store.put(kernel)
            }
            #expect(try await store.kernel(kernels[0].id).smoke == SmokeResult(state: .untried))
            let untried = try await store.treesWithoutSmoke(recipe: "1", limit: 9)
            #expect(untried.map(\.digest) == kernels.reversed().map(\.manifest.digest))
            #expect(untried.map(\.firstSeen) == [1_800_000_030, 1_800_000_020, 1_800_000_010])
            #expect(untried[0].architecture?.sourceFolder == "x86")
            #expect(try await store.treesWithoutSmoke(recipe: "1", limit: 1).count == 1)
            let verified = SmokeResult(state: .verified, compiler: "clang", time: 7)
            try await store.smokeEnded(verified, tree: kernels[1].manifest.digest, recipe: "1")
            #expect(try await store.kernel(kernels[1].id).smoke == verified)
            let list = try await store.kernels(limit: 9).kernels
            #expect(list.filter { $0.smoke == verified }.map(\.identity.buildID) == [kernels[1].id])
            #expect(try await store.treesWithoutSmoke(recipe: "1", limit: 9).count == 2)
            // Another recipe tries all again.
            #expect(try await store.treesWithoutSmoke(recipe: "2", limit: 9).count == 3)
        }
    }

    @Test func aTreeIsUnpackedAsItIs() async throws {
        let kernel = SmallKernel(hasLargeFile: false)
        let id = try #require(BuildID("aa"))
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            try await store.put(kernel.tar, as: KernelIdentity(buildID: id))
            let digest = try await store.kernel(id).treeDigest
            let staging = try store.makeStagingFolder("tree")
            try await store.unpack(tree: digest, into: staging.path)
            let unpacked = try HeaderTreeReader.read(
                MemorySource(try ShellCommand("tar", "-C", staging.path, "-c", ".").output()), visitor: Nowhere())
            #expect(try kernel.manifest == unpacked)
            #expect(staging.path.hasPrefix(folder.path("store/staging/")))
            staging.remove()
            let problem = await #expect(throws: Problem.self) {
                let other = try store.makeStagingFolder("tree")
                try await store.unpack(tree: Digest(of: []), into: other.path)
            }
            #expect(problem?.code == .treeUnknown)
            try await store.requireNoStrays(in: folder.path("store"))
            try store.close()
        }
    }

    @Test func aTreeForWhichThereIsNoRoomIsNotUnpacked() async throws {
        let kernel = try StoredKernel(id: 1, revision: 1)
        let free = Mutex(Int.max / 2)
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.freeBytes = { free.withLock { $0 } } }
            try await store.put(kernel)
            let staging = try store.makeStagingFolder("tree")
            free.withLock { $0 = DiskBudget.margin + 100 }
            let problem = await #expect(throws: Problem.self) {
                try await store.unpack(tree: kernel.manifest.digest, into: staging.path)
            }
            #expect(problem?.code == .diskFull)
            #expect(try FolderListing.names(in: staging.path).isEmpty)
            #expect(throws: Problem.self) { try store.makeStagingFolder("build", reserving: 1000) }
            try store.close()
        }
    }
}

private final class Nowhere: TreeVisitor {
    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) {}
    func write(_ bytes: UnsafeRawBufferPointer) {}
    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {}
}
