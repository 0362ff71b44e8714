import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import HeaderTransport
@testable import TracingClient

@Suite struct HeaderFinderTests {
    private static let kernel = SmallKernel(hasLargeFile: false)
    private static let id: BuildID = {
        guard let id = BuildID("0123abcd") else { preconditionFailure("a build ID") }
        return id
    }()
    private static let running = KernelIdentity(buildID: id, release: kernel.release)
    /// Nobody listens there.
    private static let nobody = "unix:/nonexistent/socket"

    private struct Host {
        let folder: TemporaryFolder
        let notices = Notices()

        final class Notices: Sendable {
            let all = Mutex<[String]>([])
            var text: String { all.withLock { $0.joined(separator: "\n") } }
        }

        /// A finder on this host: its root is the folder `root`.
        func finder(
            _ server: String, _ sources: Set<HeaderFinder.Source> = Set(HeaderFinder.Source.allCases),
            minimum: HeaderSource? = nil, running: KernelIdentity? = HeaderFinderTests.running
        ) throws -> HeaderFinder {
            let cache = HeaderCache(try CacheFolder(folder.path("cache")), bootID: "boot") { [notices] text in
                notices.all.withLock { $0.append(text) }
            }
            return HeaderFinder(
                cache: cache,
                client: {
                    var client = HeaderServerClient(servers: [try ServerAddress(server)])
                    client.pause = { _ in }
                    return client
                }, sources: sources, minimum: minimum, running: { running }, root: folder.path("root"))
        }

        func addArchive(_ bytes: [UInt8]? = nil) throws {
            try folder.write(bytes ?? HeaderFinderTests.kernel.archive(), to: "root/sys/kernel/kheaders.tar.xz")
        }

        func addModules() throws {
            try HeaderFinderTests.kernel.write(
                to: folder.path("root/lib/modules/\(HeaderFinderTests.kernel.release)/build"))
        }
    }

    private static func withHost(_ body: (Host) async throws -> Void) async throws {
        try await withTemporaryFolder { try await body(Host(folder: $0)) }
    }

    private static func push(_ source: HeaderSource = .push, to server: RunningServer) async throws {
        let answer = try await server.put(
            "/v1/kernels/\(id)/headers?release=\(kernel.release)&source=\(source.rawValue)", kernel.tar)
        try #require(answer.status == 201)
    }

    private static func expectTree(_ entry: CacheEntry, from origin: CacheStamp.Origin) throws {
        #expect(entry.stamp.origin == origin)
        #expect(try FolderWalk.manifest(of: entry.path) == kernel.manifest)
    }

    @Test func aServerComesBeforeThisHost() async throws {
        try await Self.withHost { host in
            try await withRunningServer { server in
                try await Self.push(to: server)
                try host.addArchive()
                let entry = try await host.finder(server.url).headers(of: Self.id)
                try Self.expectTree(entry, from: .server)
                #expect(entry.stamp.rank == .push && entry.stamp.place == server.url)
                #expect(host.notices.text.isEmpty)
            }
        }
    }

    @Test func theCacheServesWhenTheServerIsAway() async throws {
        try await Self.withHost { host in
            try await withRunningServer { server in
                try await Self.push(to: server)
                _ = try await host.finder(server.url).headers(of: Self.id)
            }
            let entry = try await host.finder(Self.nobody, running: nil).headers(of: Self.id)
            try Self.expectTree(entry, from: .server)
        }
    }

    @Test func theKernelsOwnArchiveServesWhenTheServerIsAwayAndSaysSo() async throws {
        try await Self.withHost { host in
            try host.addArchive()
            try host.addModules()
            try Self.expectTree(try await host.finder(Self.nobody).headers(of: Self.id), from: .kheaders)
            #expect(host.notices.text.contains("(server-unreachable)"))
            #expect(host.notices.text.contains("this host's own instead, of \(host.folder.path("root"))/sys/kernel"))
        }
    }

    @Test func modulesComeLast() async throws {
        try await Self.withHost { host in
            try host.addModules()
            let entry = try await host.finder(Self.nobody).headers(of: Self.id)
            try Self.expectTree(entry, from: .modules)
            #expect(entry.stamp.rank == .agent)
        }
    }

    /// What can't be unpacked is passed over, and nothing of it is left.
    @Test func aDamagedArchiveIsPassedOver() async throws {
        try await Self.withHost { host in
            try host.addArchive(Array(Self.kernel.archive().dropLast(100)))
            try host.addModules()
            try Self.expectTree(try await host.finder(Self.nobody).headers(of: Self.id), from: .modules)
        }
    }

    @Test func anotherKernelsHeadersAreNotThisHosts() async throws {
        try await Self.withHost { host in
            try host.addArchive()
            try host.addModules()
            let other = KernelIdentity(buildID: try #require(BuildID("ffff")), release: Self.kernel.release)
            await #expect {
                _ = try await host.finder(Self.nobody, running: other).headers(of: Self.id)
            } throws: {
                "\($0)".contains("kheaders: another kernel runs here, ffff")
            }
        }
    }

    @Test func nothingAnywhereSaysWhatEachSourceSaid() async throws {
        try await Self.withHost { host in
            try await withRunningServer { server in
                let error = await #expect(throws: HeadersMissing.self) {
                    _ = try await host.finder(server.url).headers(of: Self.id)
                }
                let missing = try #require(error)
                #expect(missing.failures.map(\.source) == [.cache, .server, .kheaders, .modules])
                #expect(missing.exitStatus == .notFound)
                #expect("\(missing)".contains("(headers-not-found)") && "\(missing)".contains("(kernel-unknown)"))
                #expect("\(missing)".contains("modprobe kheaders"))
                #expect(host.folder.names(in: "cache/headers").isEmpty)
            }
        }
    }

    @Test func aServerThatIsAwayIsTheExitCode() async throws {
        try await Self.withHost { host in
            let error = await #expect(throws: HeadersMissing.self) {
                _ = try await host.finder(Self.nobody).headers(of: Self.id)
            }
            #expect(error?.exitStatus == .unreachable)
        }
    }

    @Test(arguments: [
        (HeaderFinder.Source.server, CacheStamp.Origin.server), (.kheaders, .kheaders), (.modules, .modules),
    ])
    func onlyTheSourceThatIsNamedIsAsked(_ source: HeaderFinder.Source, _ origin: CacheStamp.Origin) async throws {
        try await Self.withHost { host in
            try await withRunningServer { server in
                try await Self.push(to: server)
                try host.addArchive()
                try host.addModules()
                try Self.expectTree(try await host.finder(server.url, [source]).headers(of: Self.id), from: origin)
            }
        }
    }

    @Test func onlyTheCacheMakesNothing() async throws {
        try await Self.withHost { host in
            try host.addArchive()
            let error = await #expect(throws: HeadersMissing.self) {
                _ = try await host.finder(Self.nobody, [.cache]).headers(of: Self.id)
            }
            #expect(error?.failures.map(\.source) == [.cache])
            _ = try await host.finder(Self.nobody).headers(of: Self.id)
            try Self.expectTree(try await host.finder(Self.nobody, [.cache]).headers(of: Self.id), from: .kheaders)
        }
    }

    @Test func withoutTheCacheItIsFetchedAgain() async throws {
        try await Self.withHost { host in
            try host.addArchive()
            _ = try await host.finder(Self.nobody).headers(of: Self.id)
            let entry = try await host.finder(Self.nobody, [.kheaders]).headers(of: Self.id)
            #expect(entry.isNew)
            try Self.expectTree(entry, from: .kheaders)
            #expect(host.folder.names(in: "cache/headers") == ["0123abcd"])
        }
    }

    @Test func tooLowARankIsRefused() async throws {
        try await Self.withHost { host in
            try await withRunningServer { server in
                try await Self.push(.agent, to: server)
                try host.addModules()
                let error = await #expect(throws: HeadersMissing.self) {
                    _ = try await host.finder(server.url, minimum: .push).headers(of: Self.id)
                }
                #expect(error?.exitStatus == .refused)
                #expect("\(try #require(error))".contains("'agent', and --min-trust asks for 'push'. (trust-too-low)"))
                // The kernel's own archive is nobody's word.
                try host.addArchive()
                let entry = try await host.finder(server.url, minimum: .import).headers(of: Self.id)
                try Self.expectTree(entry, from: .kheaders)
            }
        }
    }

    @Test func btfIsThisHostsOwnWhenNoServerHasIt() async throws {
        try await Self.withHost { host in
            // A header and the empty string.
            let btf: [UInt8] = [0x9F, 0xEB, 1, 0, 24] + [UInt8](repeating: 0, count: 15) + [1, 0, 0, 0, 0]
            try host.folder.write(btf, to: "root/sys/kernel/btf/vmlinux")
            let entry = try await host.finder(Self.nobody).btf(of: Self.id)
            #expect(try FileSource(path: entry.path).readAll() == btf)
            #expect(entry.stamp.origin == .kheaders)
        }
    }

    @Test func btfComesFromAServer() async throws {
        try await Self.withHost { host in
            try await withRunningServer { server in
                let btf: [UInt8] = [0x9F, 0xEB, 1, 0, 24] + [UInt8](repeating: 0, count: 15) + [1, 0, 0, 0, 0]
                try #require(try await server.put("/v1/kernels/\(Self.id)/btf", btf).status == 201)
                let entry = try await host.finder(server.url).btf(of: Self.id)
                #expect(try FileSource(path: entry.path).readAll() == btf && entry.stamp.origin == .server)
            }
        }
    }

    @Test func moreBTFThanTheLimitIsRefused() throws {
        try withTemporaryFolder { folder in
            let btf: [UInt8] = [0x9F, 0xEB, 1, 0, 24] + [UInt8](repeating: 0, count: 15) + [1, 0, 0, 0, 0]
            func copy(limit: Int) throws {
                _ = try HeaderFinder.copyBTF(MemorySource(btf), to: folder.path("btf"), limit: limit, Cancellation())
            }
            try copy(limit: btf.count)
            // Over what is there: a connection may have broken.
            try copy(limit: btf.count)
            #expect(throws: Problem.self) { try copy(limit: btf.count - 1) }
        }
    }

    @Test func aReleaseIsFoundHereWhenNoServerAnswers() async throws {
        try await Self.withHost { host in
            let client = HeaderServerClient(servers: [try ServerAddress(Self.nobody)])
            let choice = ReleaseChoice(client: client, cache: nil, running: Self.running)
            #expect(try await choice.kernel(release: Self.kernel.release) == Self.id)
        }
    }

    @Test func whatIsNoBTFIsNotTaken() async throws {
        try await Self.withHost { host in
            try host.folder.write("not types at all, whatever it is called".utf8, to: "root/sys/kernel/btf/vmlinux")
            await #expect {
                _ = try await host.finder(Self.nobody).btf(of: Self.id)
            } throws: {
                "\($0)".contains("0xEB9F")
            }
            #expect(host.folder.names(in: "cache/btf").isEmpty)
        }
    }
}
