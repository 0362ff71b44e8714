import FoundationEssentials
import Glibc
import HeaderArchive
import HeaderTransport
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

@testable import PrecompiledHeaders
@testable import TracingClient

/// PCHs from a server that says what each test wants to hear.
@Suite struct PCHFinderTests {
    private static let id: BuildID = {
        guard let id = SamplePCH.id else { preconditionFailure("a build ID") }
        return id
    }()

    /// A host, and a server with one clang and one PCH.
    private final class Scene: Sendable {
        let sample: SamplePCH
        let folder: TemporaryFolder
        let cache: HeaderCache
        /// The PCH's bytes as they are sent, and the fields with them.
        let payload = Mutex<StandInServer.Answer?>(nil)
        /// Answers to the first questions for the manifest.
        let before = Mutex<[StandInServer.Answer]>([])
        let progress = Mutex<[PCHProgress]>([])
        let list: ToolchainList
        let manifest: PCHManifest

        init(
            _ folder: TemporaryFolder, _ sample: SamplePCH, list: (inout ToolchainList) -> Void = { _ in },
            manifest: (inout PCHManifest) -> Void = { _ in }
        ) throws {
            self.folder = folder
            self.sample = sample
            cache = HeaderCache(try CacheFolder(folder.path("cache")), bootID: "boot")
            var all = ToolchainList(
                toolchains: [
                    .init(toolchain: sample.toolchain, profiles: [.init(name: "clang-x86", id: sample.toolchain.id)])
                ], umbrellas: Umbrella.standard, off: nil)
            list(&all)
            self.list = all
            var changed = sample.manifest
            manifest(&changed)
            self.manifest = changed
        }

        func answer(_ request: StandInServer.Request) -> StandInServer.Answer {
            switch request.target.split(separator: "?").first {
            case "/v1/toolchains": return .json(list)
            case "/v1/kernels/0123abcd":
                let identity = KernelIdentity(buildID: id, architecture: Architecture(machine: "x86_64"))
                return .json(
                    KernelSummary(
                        identity: identity, source: .push, treeDigest: SamplePCH.tree, files: 1, bytes: 1, firstSeen: 1,
                        lastSeen: 1, conflicts: 0))
            case let path? where path.hasPrefix("/v1/profiles/"): return StandInServer.Answer(201)
            case let path? where path.hasSuffix("/manifest.json"):
                return before.withLock { $0.isEmpty ? nil : $0.removeFirst() } ?? .json(manifest)
            case let path? where path.hasPrefix("/buildid/0123abcd/pch/"):
                return payload.withLock { $0 } ?? StandInServer.Answer(200, sample.bytes)
            default: return .problem(.routeUnknown, "There is no such route.")
            }
        }

        func tool(_ profile: PCHTool.Profile = .host) -> PCHTool {
            PCHTool(name: "test", compiler: .exact(sample.toolchain), profile: profile)
        }

        func finder(_ server: String, patience: Duration = .seconds(20), builders: Bool = false) -> PCHFinder {
            var finder = PCHFinder(
                cache: cache, client: { HeaderServerClient(servers: [try ServerAddress(server)]) },
                acceptsBuilders: builders, patience: patience,
                waiting: { step in self.progress.withLock { $0.append(step) } })
            finder.pause = { _ in }
            return finder
        }
    }

    private static func withScene(
        _ sample: SamplePCH? = nil, list: (inout ToolchainList) -> Void = { _ in },
        manifest: (inout PCHManifest) -> Void = { _ in }, _ body: (Scene, StandInServer) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let scene = try Scene(folder, sample ?? SamplePCH(), list: list, manifest: manifest)
            try await withStandIn {
                scene.answer($0)
            } _: {
                try await body(scene, $0)
            }
        }
    }

    private static let wish = PCHFinder.Wish(headers: ["linux/sched.h"])

    /// - Returns: the sentence.
    private static func expectNone(
        _ scene: Scene, _ server: String, _ wish: PCHFinder.Wish = wish, patience: Duration = .seconds(20),
        tool: PCHTool? = nil
    ) async throws -> String {
        let error = await #expect(throws: PCHUnavailable.self) {
            _ = try await scene.finder(server, patience: patience).pch(of: id, for: tool ?? scene.tool(), wish)
        }
        #expect(try scene.cache.list().isEmpty)
        return error?.description ?? ""
    }

    private static func underway(_ position: Int) -> StandInServer.Answer {
        let progress = PCHProgress(
            state: position > 0 ? .queued : .building, position: position, step: position > 0 ? nil : "compiling",
            stepNumber: 2, steps: 3, retryAfter: 1)
        return .json(progress, status: 202, fields: [("Retry-After", "3")])
    }

    // MARK: Finding

    @Test func itIsFetchedOnceAndThenFound() async throws {
        try await Self.withScene { scene, server in
            let first = try await scene.finder(server.url).pch(of: Self.id, for: scene.tool(), Self.wish)
            #expect(first.record.manifest == scene.sample.manifest)
            #expect(try FileSource(path: first.path).readAll() == scene.sample.bytes)
            let path = "/buildid/0123abcd/pch/\(scene.sample.toolchain.id)/clang-x86/sched"
            #expect(
                server.seen.map(\.target) == ["/v1/toolchains", "/v1/kernels/0123abcd", path + "/manifest.json", path])
            // From this very host nothing is compressed.
            #expect(server.seen.allSatisfy { $0.fields["accept-encoding"] == nil })
            let second = try await scene.finder("unix:/nobody").pch(of: Self.id, for: scene.tool(), Self.wish)
            #expect(second.path == first.path && server.seen.count == 4)
        }
    }

    @Test func overTheNetworkItComesCompressed() async throws {
        try await Self.withScene { scene, server in
            let compressed = try CompressionTool.zstd.compress(scene.sample.bytes)
            scene.payload.withLock { $0 = .init(200, compressed, fields: [("Content-Encoding", "zstd")]) }
            let far = "http://0.0.0.0:\(server.port)"
            let entry = try await scene.finder(far).pch(of: Self.id, for: scene.tool(), Self.wish)
            #expect(try FileSource(path: entry.path).readAll() == scene.sample.bytes)
            #expect(server.seen.last?.fields["accept-encoding"] == "zstd")
        }
    }

    @Test func oneThatIsBeingMadeIsWaitedFor() async throws {
        try await Self.withScene { scene, server in
            scene.before.withLock { $0 = [Self.underway(2), .problem(.pchQueueFull, "Full."), Self.underway(0)] }
            _ = try await scene.finder(server.url).pch(of: Self.id, for: scene.tool(), Self.wish)
            let texts = scene.progress.withLock { $0.map(PCHFinder.text) }
            #expect(texts == ["number 2 in the queue", "in the queue", "compiling, step 2 of 3"])
            #expect(scene.progress.withLock { $0.map(\.retryAfter) } == [3, 2, 3])
        }
    }

    @Test func itIsNotWaitedForLongerThanTheUserWants() async throws {
        try await Self.withScene { scene, server in
            scene.before.withLock { $0 = Array(repeating: Self.underway(0), count: 100) }
            let reason = try await Self.expectNone(scene, server.url, patience: .seconds(7))
            #expect(
                reason
                    == "The server has not made the PCH in 7 s: it is compiling, step 2 of 3. --pch-wait waits longer. "
                    + "(pch-unavailable)")
            // At 0, 3, 6 and 7 seconds.
            #expect(server.seen.count { $0.target.hasSuffix("manifest.json") } == 4)
        }
    }

    @Test func aProfileThatTheServerLacksIsGivenToIt() async throws {
        let profile = CompilerProfile(
            name: "bcc-9.9", flags: ["-O2"], headers: ["/virtual/include/bcc/proto.h": "\n"], isFoundByName: true)
        try await Self.withScene(SamplePCH(profile: profile)) { scene, server in
            scene.before.withLock { $0 = [.problem(.profileUnknown, "No such profile.")] }
            let entry = try await scene.finder(server.url).pch(
                of: Self.id, for: scene.tool(.own(profile, profile.id)), Self.wish)
            #expect(entry.path.hasSuffix("/stubs/include/linux/kconfig.h.pch/sched.pch"))
            let upload = try #require(server.seen.first { $0.method == "PUT" })
            #expect(upload.target == "/v1/profiles/\(profile.id)")
            #expect(try JSONDecoder().decode(CompilerProfile.self, from: Data(upload.body)) == profile)
        }
        try await Self.withScene(SamplePCH(profile: profile)) { scene, server in
            // Twice is a no.
            scene.before.withLock { $0 = Array(repeating: .problem(.profileUnknown, "No such profile."), count: 2) }
            let reason = try await Self.expectNone(scene, server.url, tool: scene.tool(.own(profile, profile.id)))
            #expect(reason == "No such profile. (profile-unknown)")
        }
    }

    @Test func aToolThatIsALibraryIsToldByItsPackage() async throws {
        let profile = CompilerProfile(name: "bcc-9.9", flags: [], isFoundByName: true)
        try await Self.withScene(SamplePCH(profile: profile)) { scene, server in
            let fitting = PCHTool(
                name: "bcc 9.9", compiler: .package("1:14.0.6-12", major: 14), profile: .own(profile, profile.id))
            _ = try await scene.finder(server.url).pch(of: Self.id, for: fitting, Self.wish)
            for compiler in [PCHTool.Compiler.package("1:14.0.6-13", major: 14), .package("1:14.0.6-12", major: 15)] {
                let other = PCHTool(name: "bcc 9.9", compiler: compiler, profile: .own(profile, profile.id))
                let error = await #expect(throws: PCHUnavailable.self) {
                    _ = try await scene.finder(server.url).pch(of: Self.id, for: other, Self.wish)
                }
                #expect(
                    error?.description.contains(
                        "which bcc 9.9 compiles with, and a PCH is good for one clang only. It has Test clang version 14.0.6 (1:14.0.6-12)."
                    ) == true)
            }
        }
    }

    @Test func aBuildersPCHIsTakenIfTheUserSaysSo() async throws {
        try await Self.withScene(manifest: { $0.rank = .builder }) { scene, server in
            _ = try await Self.expectNone(scene, server.url)
            let entry = try await scene.finder(server.url, builders: true).pch(
                of: Self.id, for: scene.tool(), Self.wish)
            #expect(entry.record.manifest.rank == .builder)
            #expect(server.seen.last?.target.hasSuffix("/sched?rank=builder") == true)
            // In the cache it is there for those only who say so.
            await #expect(throws: PCHUnavailable.self) {
                _ = try await scene.finder(server.url).pch(of: Self.id, for: scene.tool(), Self.wish)
            }
        }
    }

    // MARK: Nothing that fits

    @Test func whatTheServerCanNotDoIsSaid() async throws {
        try await Self.withScene(list: { $0.toolchains = [] }) { scene, server in
            let reason1 = try await Self.expectNone(scene, server.url)
            #expect(reason1 == "\(server.url) has no clang to make PCHs with. (pch-unavailable)")
        }
        try await Self.withScene(list: { $0.off = "bubblewrap is not installed." }) { scene, server in
            scene.before.withLock {
                $0 = [.problem(.pchOff, "This server makes no PCHs: bubblewrap is not installed.")]
            }
            let reason2 = try await Self.expectNone(scene, server.url)
            #expect(reason2.hasSuffix("(pch-off)"))
        }
        try await Self.withScene { scene, server in
            scene.before.withLock { $0 = [.problem(.pchBuildFailed, "linux/sched.h:3:5: error: no")] }
            let reason3 = try await Self.expectNone(scene, server.url)
            #expect(reason3 == "linux/sched.h:3:5: error: no (pch-build-failed)")
            let reason4 = try await Self.expectNone(scene, "unix:/nobody")
            #expect(reason4.hasSuffix("(server-unreachable)"))
        }
        try await Self.withScene(manifest: {
            $0.leftOut = [.init(header: "linux/sched.h", reason: "error: x")]; $0.headers = []; $0.stubs = []
        }) {
            scene, server in
            let reason5 = try await Self.expectNone(scene, server.url)
            #expect(
                reason5
                    == "The program can't have a PCH: it includes linux/sched.h, which the PCH of this kernel is without (error: x). (pch-unavailable)"
            )
        }
        try await Self.withScene { scene, server in
            let wish = PCHFinder.Wish(headers: ["linux/sched.h"], tree: SHA256Hash.digest(of: [9]))
            let reason6 = try await Self.expectNone(scene, server.url, wish)
            #expect(reason6.contains("is of another tree"))
        }
    }

    @Test func anOlderServerHasNone() async throws {
        try await withTemporaryFolder { folder in
            let scene = try Scene(folder, SamplePCH())
            try await withStandIn { _ in
                .problem(.routeUnknown, "There is no such route.")
            } _: { server in
                let reason7 = try await Self.expectNone(scene, server.url)
                #expect(reason7 == "There is no such route. (route-unknown)")
            }
        }
    }

    /// What no umbrella names may be in the largest; if that is not there at once, nobody waits for it.
    @Test func headersThatNoUmbrellaNamesAreLookedForWhereTheyMayBe() async throws {
        try await Self.withScene(SamplePCH(umbrella: "all")) { scene, server in
            let wish = PCHFinder.Wish(headers: ["asm/page.h", "linux/types.h", "uapi/linux/types.h"])
            scene.before.withLock { $0 = [Self.underway(0)] }
            let reason = try await Self.expectNone(scene, server.url, wish)
            #expect(
                reason
                    == "The program can't have a PCH: it includes asm/page.h, which no umbrella names. (pch-unavailable)"
            )
            #expect(scene.progress.withLock { $0.isEmpty })
            // asm/page.h is blocked.
            let reason8 = try await Self.expectNone(scene, server.url, wish)
            #expect(reason8.contains("which is not in the PCH"))
            let fine = PCHFinder.Wish(headers: ["linux/types.h", "linux/sched.h"])
            _ = try await scene.finder(server.url).pch(
                of: Self.id, for: scene.tool(), .init(headers: fine.headers, umbrella: "all"))
        }
    }

    // MARK: Bad servers

    private static let badPayloads: [(@Sendable (SamplePCH) throws -> StandInServer.Answer, String)] = [
        ({ .init(200, [$0.bytes[0] ^ 1] + $0.bytes.dropFirst()) }, "content-digest-mismatch"),
        ({ .init(200, $0.bytes.dropLast() + []) }, "content-digest-mismatch"),
        ({ .init(200, $0.bytes + [0]) }, "server-answer-malformed"),
        (
            {
                .init(
                    200, try CompressionTool.zstd.compress([UInt8](repeating: 0, count: 1 << 26)),
                    fields: [("Content-Encoding", "zstd")]) + $0
            },
            "server-answer-malformed"
        ),
        ({ .init(200, $0.bytes, fields: [("Content-Encoding", "zstd")]) }, "server-answer-malformed"),
        ({ .init(200, $0.bytes, fields: [("Content-Encoding", "br")]) }, "server-answer-malformed"),
        ({ _ in underway(1) }, "server-answer-malformed"), ({ _ in .problem(.pchLimit, "Too large.") }, "pch-limit"),
    ]

    @Test(arguments: badPayloads.indices) func badBytesAreNotKept(_ index: Int) async throws {
        try await Self.withScene { scene, server in
            let (payload, code) = Self.badPayloads[index]
            let answer = try payload(scene.sample)
            scene.payload.withLock { $0 = answer }
            let reason = try await Self.expectNone(scene, server.url)
            #expect(reason.hasSuffix("(\(code))"), "\(reason)")
        }
    }

    private static let badManifests: [@Sendable (inout PCHManifest) -> Void] = [
        { $0.stubs.append("../../../outside.h") }, { $0.stubs.append("/outside.h") }, { $0.stubs.append($0.stubs[0]) },
        { $0.stubs.append($0.stubs[0] + "/below.h") }, { $0.umbrella = "net" }, { $0.arguments = ["-fplugin=x"] },
        { $0.bytes = 1 << 40 },
    ]

    @Test(arguments: badManifests.indices) func badManifestsAreNotFollowed(_ index: Int) async throws {
        try await Self.withScene(manifest: Self.badManifests[index]) { scene, server in
            let reason = try await Self.expectNone(scene, server.url)
            #expect(reason.hasSuffix("(server-answer-malformed)"), "\(reason)")
            #expect(scene.folder.names() == ["cache"])
            #expect(scene.folder.names(in: "cache/pch").isEmpty)
        }
    }
}

extension StandInServer.Answer {
    /// The same: an answer that does not depend on the PCH.
    fileprivate static func + (one: Self, _: SamplePCH) -> Self { one }
}
