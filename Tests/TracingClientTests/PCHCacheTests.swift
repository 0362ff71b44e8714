import Glibc
import HeaderArchive
import HeaderTransport
import KHeaderTestSupport
import KernelHeaders
import PrecompiledHeaders
import Synchronization
import Testing

@testable import TracingClient

@Suite struct PCHCacheTests {
    private static func withCache(_ body: (TemporaryFolder, HeaderCache) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await body(folder, HeaderCache(CacheFolder(folder.path("cache")), bootID: "boot"))
        }
    }

    private static func find(_ cache: HeaderCache) async throws -> CachedPCH? {
        try await cache.pch(of: #require(SamplePCH.id)) { _ in true }
    }

    @Test(arguments: [false, true]) func aPCHIsKeptWithItsStubs(isFoundByName: Bool) async throws {
        try await Self.withCache { folder, cache in
            let sample = try SamplePCH()
            let made = try await sample.add(to: cache, isFoundByName: isFoundByName)
            let entry = try #require(try await Self.find(cache))
            #expect(entry.path == made.path && entry.record == made.record)
            let place = folder.path("cache/pch/0123abcd/\(sample.manifest.key)")
            #expect(entry.stubs == "\(place)/stubs")
            #expect(
                entry.path
                    == (isFoundByName ? "\(place)/stubs/include/linux/kconfig.h.pch/sched.pch" : "\(place)/sched.pch"))
            #expect(
                entry.arguments == ["-O2", "-I\(place)/stubs/include"]
                    + (isFoundByName ? [] : ["-include-pch", entry.path]))
            var files = ["arch/x86/include/asm/page.h": 0, "include/linux/sched.h": 0, "include/uapi/linux/types.h": 0]
            files["include/asm/page.h"] = HeaderCache.blocker("include/asm/page.h").count
            if isFoundByName {
                files["include/linux/kconfig.h"] = 0
                files["include/linux/kconfig.h.pch/sched.pch"] = sample.bytes.count
            }
            #expect(try FolderWalk.files(in: entry.stubs) == files)
        }
    }

    /// A change that somebody, or a bad disk, makes in an entry.
    private static let damages: [@Sendable (CachedPCH) throws -> Void] = [
        { entry in
            // One bit, and the time that it had.
            chmod(entry.path, 0o644)
            let file = open(entry.path, O_RDWR)
            var byte: UInt8 = 0
            pread(file, &byte, 1, 3)
            byte ^= 1
            pwrite(file, &byte, 1, 3)
            close(file)
        },
        { truncate($0.path, 2) }, { truncate($0.path, 6) }, { unlink($0.path) },
        { entry in
            unlink(entry.path)
            symlink("/etc/passwd", entry.path)
        },
        { entry in
            unlink(entry.path)
            mkfifo(entry.path, 0o644)
        },
        { try TemporaryFolder.write(Array("int x;".utf8), to: "\($0.stubs)/include/linux/sched.h") },
        { try TemporaryFolder.write([], to: "\($0.stubs)/include/linux/extra.h") },
        { unlink("\($0.stubs)/include/linux/sched.h") },
        { entry in
            let path = "\(entry.stubs)/include/asm/page.h"
            let size = HeaderCache.blocker("include/asm/page.h").count
            chmod(path, 0o644)
            try TemporaryFolder.write([UInt8](repeating: 10, count: size), to: path)
        },
        { entry in
            // Another PCH's manifest.
            var other = try SamplePCH("b PCH")
            other.manifest.key = entry.record.manifest.key
            try TemporaryFolder.write(try other.record().encoded(), to: "\(entry.folder)/stamp.json")
        },
        { entry in
            // Of the same bytes, and with other arguments.
            let path = "\(entry.folder)/stamp.json"
            let text = String(decoding: try FileSource(path: path).readAll(), as: UTF8.self)
            try TemporaryFolder.write(Array(text.replacing("-O2", with: "-O1").utf8), to: path)
        },
        { unlink("\($0.folder)/stamp.json") },
    ]

    @Test(arguments: damages.indices) func damageIsFoundOnEveryUse(_ index: Int) async throws {
        let damage = Self.damages[index]
        try await withTemporaryFolder { folder in
            let notices = Mutex<[String]>([])
            let cache = HeaderCache(try CacheFolder(folder.path("cache")), bootID: "boot") { text in
                notices.withLock { $0.append(text) }
            }
            let sample = try SamplePCH()
            let place = try await sample.add(to: cache).folder
            #expect(try await Self.find(cache) != nil)
            try damage(try #require(try await Self.find(cache)))
            #expect(try await Self.find(cache) == nil)
            #expect(access(place, F_OK) != 0)
            #expect(
                notices.withLock { $0 } == ["What the cache has as a PCH of 0123abcd was damaged, and is not used."])
            // It can be made anew.
            try await sample.add(to: cache)
            #expect(try await Self.find(cache) != nil)
        }
    }

    @Test func aPCHUnderAnothersKeyIsNotUsed() async throws {
        try await Self.withCache { folder, cache in
            let sample = try SamplePCH()
            let other = try SamplePCH("another")
            try await sample.add(to: cache)
            let places = [sample, other].map { folder.path("cache/pch/0123abcd/\($0.manifest.key)") }
            rename(places[0], places[1])
            #expect(try await Self.find(cache) == nil)
            #expect(folder.names(in: "cache/pch/0123abcd").isEmpty)
        }
    }

    @Test func onlyWhatIsWantedIsLookedAtTheSmallestFirst() async throws {
        try await Self.withCache { _, cache in
            for (text, umbrella) in [("a long PCH", "all"), ("short", "sched"), ("middle", "net")] {
                try await SamplePCH(text, umbrella: umbrella).add(to: cache)
            }
            let id = try #require(SamplePCH.id)
            #expect(try await Self.find(cache)?.record.manifest.umbrella == "sched")
            let net = try await cache.pch(of: id) { $0.manifest.umbrella == "net" }
            #expect(net?.record.manifest.umbrella == "net")
            #expect(try await cache.pch(of: id) { _ in false } == nil)
            let mark = try #require(net).record.manifest.key
            #expect(try await cache.pch(of: id, naming: "\(mark)") { _ in true }?.record.manifest.umbrella == "net")
            #expect(try await cache.pch(of: id, naming: "nobody") { _ in true } == nil)
            #expect(try await cache.pch(of: #require(BuildID("ffff"))) { _ in true } == nil)
        }
    }

    @Test func manyThatWantTheSameMakeItOnce() async throws {
        try await Self.withCache { _, cache in
            let sample = try SamplePCH()
            let record = try sample.record()
            let bytes = sample.bytes
            let count = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        _ = try await cache.addPCH(record) { path in
                            count.value.add(1, ordering: .relaxed)
                            try TemporaryFolder.write(bytes, to: path)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(count.value.load(ordering: .relaxed) == 1)
        }
    }

    private final class Counter: Sendable {
        let value = Atomic(0)
    }

    @Test func whatFailsLeavesNothing() async throws {
        try await Self.withCache { folder, cache in
            let record = try SamplePCH().record()
            await #expect(throws: CancellationError.self) {
                _ = try await cache.addPCH(record) { _ in throw CancellationError() }
            }
            // Other bytes than the manifest says.
            await #expect(throws: CacheError.self) {
                _ = try await cache.addPCH(record) { try TemporaryFolder.write([1], to: $0) }
            }
            #expect(try await Self.find(cache) == nil)
            #expect(folder.names(in: "cache/pch").allSatisfy { !$0.hasPrefix(".") })
        }
    }

    // MARK: Upkeep

    @Test func theListVerifyAndCleanKnowPCHs() async throws {
        try await Self.withCache { folder, cache in
            let sample = try SamplePCH()
            let other = try SamplePCH("another", umbrella: "net")
            try await sample.add(to: cache)
            let entry = try await other.add(to: cache, isFoundByName: true)
            let list = try cache.list()
            #expect(
                list.count == 2
                    && list.allSatisfy { $0.artefact == .pch && !$0.isChecked && $0.buildID == SamplePCH.id })
            #expect(Set(list.compactMap(\.key)) == [sample.manifest.key, other.manifest.key])
            #expect(Set(list.compactMap { $0.pch?.manifest.umbrella }) == ["sched", "net"])
            // To look whether they are good is no use of them.
            for listing in list {
                let place = cache.pchPath(listing.buildID, try #require(listing.key))
                try ShellCommand("touch", "-d", "@1000000000", place, "\(place)/use").output()
                #expect(try await cache.verify(listing) == .good)
            }
            #expect(try cache.list().allSatisfy { $0.lastUsed == 1_000_000_000 })

            // A program uses it.
            let during = try cache.clean(unusedFor: nil, keeping: 0)
            #expect(during.map(\.key) == [sample.manifest.key])
            withExtendedLifetime(entry) {}
        }
    }

    @Test func verifyingRemovesWhatIsDamaged() async throws {
        try await Self.withCache { folder, cache in
            let path = try await SamplePCH().add(to: cache).path
            chmod(path, 0o644)
            truncate(path, 1)
            let listing = try #require(try cache.list().first)
            #expect(try await cache.verify(listing) == .damaged)
            #expect(try cache.list().isEmpty)
        }
    }

    @Test func cleaningTakesLeftoversAndEmptyFolders() async throws {
        try await Self.withCache { folder, cache in
            try await SamplePCH().add(to: cache)
            try folder.write([1], to: "cache/pch/.0123abcd.abcdef/x")
            try folder.write([1], to: "cache/pch/0123abcd/.\(SamplePCH.tree).abcdef/old/x")
            try cache.clean(unusedFor: nil, keeping: nil)
            #expect(folder.names(in: "cache/pch") == ["0123abcd"] && folder.names(in: "cache/pch/0123abcd").count == 1)
            try cache.clean(unusedFor: nil, keeping: 0)
            #expect(folder.names(in: "cache/pch").isEmpty)
        }
    }
}
