import Glibc
import HeaderArchive
import HeaderTransport
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import TracingClient

@Suite struct HeaderCacheTests {
    private static let kernel = SmallKernel(hasLargeFile: false)
    private static let id: BuildID = {
        guard let id = BuildID("0123abcd") else { preconditionFailure("a build ID") }
        return id
    }()

    /// What was said, and how often an entry was made.
    private final class Log: Sendable {
        let notices = Mutex<[String]>([])
        let makes = Mutex(0)
    }

    private static func cache(in folder: TemporaryFolder, boot: String = "boot 1", log: Log = Log()) throws
        -> HeaderCache
    {
        HeaderCache(try CacheFolder(folder.path("cache")), bootID: boot) { text in
            log.notices.withLock { $0.append(text) }
        }
    }

    /// Unpacks the small kernel, as a server's bundle would be.
    private static func fill(_ log: Log = Log(), rank: HeaderSource? = .push) -> HeaderCache.Filling {
        { folder in
            log.makes.withLock { $0 += 1 }
            let tree = try TreeUnpacker(folder: folder, access: .readOnly).unpack(MemorySource(kernel.tar))
            return CacheStamp(
                identity: KernelIdentity(buildID: id, release: kernel.release), digest: tree.digest, origin: .server,
                place: "http://somewhere", rank: rank, files: tree.files, bytes: tree.bytes, added: 1)
        }
    }

    private struct Refused: Error {}

    /// Nothing should be made.
    private static let refuse: HeaderCache.Filling = { _ in throw Refused() }

    @Test func anEntryIsMadeOnceAndFoundAgain() async throws {
        try await withTemporaryFolder { folder in
            let log = Log()
            let cache = try Self.cache(in: folder, log: log)
            #expect(cache.entry(.headers, of: Self.id) == nil)
            let made = try await cache.entry(.headers, of: Self.id, orMake: Self.fill(log))
            #expect(made.isNew && made.path == folder.path("cache/headers/0123abcd/tree"))
            #expect(try FolderWalk.manifest(of: made.path) == Self.kernel.manifest)
            let found = try await cache.entry(.headers, of: Self.id, orMake: Self.refuse)
            #expect(!found.isNew && found.path == made.path && found.stamp == made.stamp)
            #expect(log.makes.withLock { $0 } == 1 && log.notices.withLock { $0.isEmpty })
        }
    }

    @Test func theTreeIsReadOnly() async throws {
        try await withTemporaryFolder { folder in
            let entry = try await Self.cache(in: folder).entry(.headers, of: Self.id, orMake: Self.fill())
            let writable = try ShellCommand("find", entry.path, "-mindepth", "1", "!", "-type", "l", "-perm", "/222")
                .run()
            #expect(writable.status == 0 && writable.text.isEmpty)
        }
    }

    /// A kernel rebuilt under the same version string has another build ID.
    @Test func anotherBuildIDIsAnotherFolder() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let other = try #require(BuildID("ffff"))
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            #expect(cache.entry(.headers, of: other) == nil)
            _ = try await cache.entry(.headers, of: other) { path in
                var stamp = try await Self.fill()(path)
                stamp.identity.buildID = other
                return stamp
            }
            #expect(folder.names(in: "cache/headers") == ["0123abcd", "ffff"])
        }
    }

    @Test func whatFailsLeavesNothing() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            await #expect(throws: Refused.self) {
                _ = try await cache.entry(.headers, of: Self.id) { path in
                    _ = try await Self.fill()(path)
                    throw Refused()
                }
            }
            #expect(folder.names(in: "cache/headers").isEmpty)
            #expect(cache.entry(.headers, of: Self.id) == nil)
        }
    }

    // MARK: Damage

    /// Nothing is synced, so after a crash of the host files may be there without their contents.
    @Test func afterARebootAllOfItIsReadOnce() async throws {
        try await withTemporaryFolder { folder in
            _ = try await Self.cache(in: folder).entry(.headers, of: Self.id, orMake: Self.fill())
            let cache = try Self.cache(in: folder, boot: "boot 2")
            #expect(cache.entry(.headers, of: Self.id) == nil)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.refuse)
            #expect(cache.entry(.headers, of: Self.id) != nil)
        }
    }

    @Test func afterARebootWhatLostItsContentsIsMadeAgain() async throws {
        try await withTemporaryFolder { folder in
            let log = Log()
            let entry = try await Self.cache(in: folder).entry(.headers, of: Self.id, orMake: Self.fill())
            let victim = "\(entry.path)/include/generated/utsrelease.h"
            chmod(victim, 0o644)
            truncate(victim, 0)
            let again = try await Self.cache(in: folder, boot: "boot 2", log: log).entry(
                .headers, of: Self.id, orMake: Self.fill(log))
            #expect(again.isNew && log.makes.withLock { $0 } == 1)
            #expect(try FolderWalk.manifest(of: again.path) == Self.kernel.manifest)
            #expect(log.notices.withLock { $0 }.contains { $0.contains("damaged") })
        }
    }

    enum Damage: String, CaseIterable { case contents, added, removed, renamed, mode, stamp, stampOfAnother, noStamp }

    /// Without the list of folders each file is looked at.
    @Test func aLostListOfFoldersOnlyTakesTime() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            unlink(folder.path("cache/headers/0123abcd/folders"))
            #expect(cache.entry(.headers, of: Self.id, look: .folders) == nil)
            _ = try await cache.entry(.headers, of: Self.id, look: .folders, orMake: Self.refuse)
            #expect(cache.entry(.headers, of: Self.id, look: .folders) != nil)
        }
    }

    @Test(arguments: Damage.allCases) func damageInTheSameBootIsFoundAndMended(_ damage: Damage) async throws {
        try await withTemporaryFolder { folder in
            let log = Log()
            let cache = try Self.cache(in: folder, log: log)
            let entry = try await cache.entry(.headers, of: Self.id, orMake: Self.fill(log))
            let file = "\(entry.path)/include/generated/utsrelease.h"
            let stamp = folder.path("cache/headers/0123abcd/stamp.json")
            // What needs no new name must not change the folder.
            if ![.contents, .mode].contains(damage) { chmod("\(entry.path)/include/generated", 0o755) }
            switch damage {
            case .contents:
                // Of the same size, with the old times: only the change time tells.
                let script =
                    "touch -r $1 $2; chmod 644 $1; printf X | dd of=$1 conv=notrunc status=none; touch -r $2 $1; chmod 444 $1"
                try ShellCommand("sh", "-c", script, "sh", file, folder.path("times")).output()
            case .added: try TemporaryFolder.write([1], to: "\(entry.path)/include/generated/more.h")
            case .removed: unlink(file)
            case .renamed: rename(file, file + "x")
            case .mode: chmod(file, 0o555)
            case .stamp: try TemporaryFolder.write(Array("{}".utf8), to: stamp)
            case .stampOfAnother:
                let text = String(decoding: try FileSource(path: stamp).readAll(), as: UTF8.self)
                try TemporaryFolder.write(Array(text.replacing("0123abcd", with: "eeee").utf8), to: stamp)
            case .noStamp: unlink(stamp)
            }
            #expect(cache.entry(.headers, of: Self.id) == nil)
            let isSeenInFiles = [.contents, .mode].contains(damage)
            #expect((cache.entry(.headers, of: Self.id, look: .folders) != nil) == isSeenInFiles)
            let again = try await cache.entry(.headers, of: Self.id, orMake: Self.fill(log))
            #expect(again.isNew && log.makes.withLock { $0 } == 2)
            #expect(try FolderWalk.manifest(of: again.path) == Self.kernel.manifest)
            #expect(folder.names(in: "cache/headers") == ["0123abcd"])
        }
    }

    /// What changes no contents costs one reading, and nothing is fetched.
    @Test func aTouchedTreeIsReadAndKept() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let entry = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            utimes("\(entry.path)/include/generated/utsrelease.h", nil)
            #expect(cache.entry(.headers, of: Self.id) == nil)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.refuse)
            #expect(cache.entry(.headers, of: Self.id) != nil)
        }
    }

    @Test func leftoversOfKilledProcessesAreRemoved() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            try folder.write([1], to: "cache/headers/.0123abcd.AbCdEf/tree/include/a.h")
            try folder.write([1], to: "cache/headers/.ffff.AbCdEf/tree/include/a.h")
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            #expect(folder.names(in: "cache/headers") == [".ffff.AbCdEf", "0123abcd"])
            try cache.clean(unusedFor: nil, keeping: nil)
            #expect(folder.names(in: "cache/headers") == ["0123abcd"])
        }
    }

    @Test func aListOfFoldersWithoutItsEndIsNotReadPastIt() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            let list = try folder.read("cache/headers/0123abcd/folders")
            try folder.write(list.dropLast(), to: "cache/headers/0123abcd/folders")
            #expect(cache.entry(.headers, of: Self.id, look: .folders) == nil)
        }
    }

    /// Whoever can read a file can lock it, and keep its owner waiting.
    @Test func nobodyElseCanTakeALock() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            for path in ["locks", "locks/0123abcd", "headers/0123abcd/use"] {
                var status = stat()
                try #require(stat(folder.path("cache/\(path)"), &status) == 0)
                #expect(status.st_mode & 0o077 == 0, "\(path)")
            }
        }
    }

    /// A cache that was another user's once, or that others could write to.
    @Test(arguments: ["headers", "headers/0123abcd"]) func whatOthersCouldHavePutThereIsNotUsed(_ name: String)
        async throws
    {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            chmod(folder.path("cache/\(name)"), 0o777)
            #expect(cache.entry(.headers, of: Self.id) == nil)
            await #expect(
                throws: CacheError.unsafe(path: folder.path("cache/\(name)"), reason: "other users can write to it")
            ) {
                _ = try await cache.entry(.headers, of: Self.id, orMake: Self.refuse)
            }
        }
    }

    @Test func theSameTreeFetchedAgainStaysWhereToolsReadIt() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let first = try await cache.entry(.headers, of: Self.id, orMake: Self.fill(rank: .agent))
            let descriptor = open(first.path, O_RDONLY)
            defer { close(descriptor) }
            let again = try await cache.entry(.headers, of: Self.id, isReused: false, orMake: Self.fill(rank: .import))
            #expect(again.stamp.rank == .import && cache.entry(.headers, of: Self.id) != nil)
            var before = stat()
            var after = stat()
            #expect(fstat(descriptor, &before) == 0 && stat(first.path, &after) == 0 && before.st_ino == after.st_ino)
            #expect(folder.names(in: "cache/headers") == ["0123abcd"])
        }
    }

    // MARK: Trust

    @Test func anEntryOfTooLowARankIsReplaced() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill(rank: .agent))
            #expect(cache.entry(.headers, of: Self.id, minimum: .push) == nil)
            _ = try await cache.entry(.headers, of: Self.id, minimum: .push, orMake: Self.fill(rank: .import))
            #expect(cache.entry(.headers, of: Self.id, minimum: .import)?.stamp.rank == .import)
        }
    }

    // MARK: Several at once

    @Test func manyThatWantTheSameMakeItOnce() async throws {
        try await withTemporaryFolder { folder in
            let log = Log()
            let cache = try Self.cache(in: folder, log: log)
            let paths = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await cache.entry(.headers, of: Self.id, orMake: Self.fill(log)).path }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(paths.count == 1 && log.makes.withLock { $0 } == 1)
            #expect(log.notices.withLock { $0 }.allSatisfy { $0.contains("Waiting") })
        }
    }

    @Test func whatWaitsCanBeCancelled() async throws {
        try await withTemporaryFolder { folder in
            let (waits, waiting) = AsyncStream.makeStream(of: Void.self)
            let cache = HeaderCache(try CacheFolder(folder.path("cache")), bootID: "boot") { _ in waiting.yield() }
            let lock = try await cache.lock(Self.id)
            let task = Task { try await cache.entry(.headers, of: Self.id, orMake: Self.fill()) }
            for await _ in waits { break }
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            withExtendedLifetime(lock) {}
        }
    }

    // MARK: Upkeep

    @Test func cleaningTakesTheOldAndTheLeastRecentlyUsed() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let ids = try (1...4).map { try #require(BuildID("0\($0)")) }
            var size = 0
            for (index, id) in ids.enumerated() {
                let entry = try await cache.entry(.headers, of: id) { path in
                    var stamp = try await Self.fill()(path)
                    stamp.identity.buildID = id
                    return stamp
                }
                size = entry.stamp.bytes
                var times = [
                    timeval(tv_sec: 1000 * (index + 1), tv_usec: 0), timeval(tv_sec: 1000 * (index + 1), tv_usec: 0),
                ]
                utimes(folder.path("cache/headers/\(id)/use"), &times)
            }
            // A process that another test starts holds this one's descriptors, and their locks, until it runs its program.
            func removed(_ count: Int, _ clean: () throws -> [HeaderCache.Listing]) rethrows -> [BuildID] {
                var all = try clean()
                for _ in 0..<10_000 where all.count < count { all += try clean() }
                return all.map(\.buildID).sorted()
            }
            #expect(try cache.list().map(\.buildID) == ids)
            #expect(try removed(1) { try cache.clean(unusedFor: 3001, keeping: nil, now: 5000) } == [ids[0]])
            #expect(try cache.clean(unusedFor: 3001, keeping: 3 * size, now: 5000).isEmpty)
            #expect(try removed(1) { try cache.clean(unusedFor: nil, keeping: 2 * size, except: ids[1]) } == [ids[2]])
            #expect(try removed(2) { try cache.clean(unusedFor: nil, keeping: 0) } == [ids[1], ids[3]])
            #expect(try cache.list().isEmpty && folder.names(in: "cache/headers").isEmpty)
        }
    }

    @Test func usingAnEntryMakesItTheMostRecentlyUsed() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            _ = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            var times = [timeval(), timeval()]
            utimes(folder.path("cache/headers/0123abcd/use"), &times)
            #expect(try cache.list().first?.lastUsed == 0)
            _ = cache.entry(.headers, of: Self.id)
            #expect(try #require(cache.list().first).lastUsed > 0)
        }
    }

    @Test func whatIsInUseIsNotCleaned() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let entry = try await cache.entry(.headers, of: Self.id, orMake: Self.fill())
            #expect(try cache.clean(unusedFor: nil, keeping: 0).isEmpty)
            #expect(try FolderWalk.manifest(of: entry.path) == Self.kernel.manifest)
            withExtendedLifetime(entry) {}
        }
    }

    @Test func verifyFindsWhatIsDamagedAndRemovesIt() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let path = try await cache.entry(.headers, of: Self.id, orMake: Self.fill()).path
            let listing = try #require(cache.list().first)
            #expect(listing.isChecked && listing.path == path)
            #expect(try await cache.verify(listing) == .good)
            let victim = "\(path)/include/generated/utsrelease.h"
            chmod(victim, 0o644)
            truncate(victim, 1)
            #expect(try await cache.verify(listing) == .damaged)
            #expect(try await cache.verify(listing) == nil)
            #expect(try cache.list().isEmpty)
        }
    }

    // MARK: BTF

    @Test func btfIsKeptBesideTheHeaders() async throws {
        try await withTemporaryFolder { folder in
            let cache = try Self.cache(in: folder)
            let entry = try await cache.entry(.btf, of: Self.id) { path in
                try TemporaryFolder.write([1, 2, 3], to: path)
                return CacheStamp(
                    identity: KernelIdentity(buildID: Self.id), digest: .init(of: [1, 2, 3]), origin: .server,
                    place: "x", rank: nil, files: 1, bytes: 3, added: 1)
            }
            #expect(entry.path == folder.path("cache/btf/0123abcd/vmlinux"))
            #expect(cache.entry(.btf, of: Self.id) != nil && cache.entry(.headers, of: Self.id) == nil)
            try TemporaryFolder.write([1, 2, 4], to: entry.path)
            #expect(cache.entry(.btf, of: Self.id) == nil)
            #expect(try await cache.verify(try #require(cache.list().first)) == .damaged)
        }
    }
}
