import FoundationEssentials
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import PrecompiledHeaders
import Testing

/// PCHs and profiles that are sent.
@Suite struct PCHUploadTests {
    /// A builder's tar, and what it says.
    private struct Sent {
        var manifest: PCHManifest
        var toolchain: Toolchain
        var pch: [UInt8]

        var tar: [UInt8] {
            get throws {
                var forge = TarForge()
                forge.addFile("./manifest.json", Array(try JSONEncoder().encode(manifest)))
                forge.addFile("toolchain.json", Array(try JSONEncoder().encode(toolchain)))
                forge.addFile("pch", pch)
                return forge.finished()
            }
        }
    }

    private let foreign: Toolchain

    init() throws { foreign = try #require(FakeToolchain.foreign) }

    private func sent(_ pch: PCHServer, _ umbrella: Umbrella = .sched) async throws -> Sent {
        let bytes = FakeBuilding.bytes("foreign \(umbrella.name)")
        let order = try await pch.order(umbrella, toolchain: foreign)
        return Sent(manifest: FakeBuilding.manifest(order, bytes), toolchain: foreign, pch: bytes)
    }

    @Test func aBuildersPCHIsServedToThoseWhoTakeIt() async throws {
        let building = FakeBuilding()
        try await withTemporaryFolder { folder in
            try await PCHServer.with(in: folder, building: building) { pch in
                let path = pch.path(toolchain: foreign.id)
                try expect(await pch.server.get(path), refusesWith: .toolchainUnknown)
                let sent = try await sent(pch)
                let answer = try await pch.server.put(path, try sent.tar)
                #expect(answer.status == 201 && answer["Location"] == "\(path)?rank=builder", "\(answer.text)")
                let stored: PCHManifest = try answer.decoded()
                #expect(stored.rank == .builder && stored.digest == sent.manifest.digest)
                let again = try await pch.server.put(path, try sent.tar)
                #expect(again.status == 200 && again.body == answer.body && again["Location"] == nil)
            }
            try await PCHServer.with(in: folder, building: building, hasKernel: false) { pch in
                let path = pch.path(toolchain: foreign.id)
                for end in ["", "/manifest.json", "?rank=server"] {
                    try expect(await pch.server.get(path + end), refusesWith: .pchRankTooLow)
                }
                let taken = try await pch.server.get("\(path)?rank=builder")
                #expect(taken.status == 200 && taken.body == FakeBuilding.bytes("foreign sched"))
                let manifest: PCHManifest = try await pch.server.get("\(path)/manifest.json?rank=builder").decoded()
                #expect(manifest.rank == .builder)
                // Another umbrella of that clang nobody has sent.
                try expect(
                    await pch.server.get("\(pch.path("net", toolchain: foreign.id))?rank=builder"),
                    refusesWith: .toolchainUnknown)
                // Listed, so that clients know what it is called, and as nothing that the server could make.
                let list: ToolchainList = try await pch.server.get("/v1/toolchains").decoded()
                #expect(list.toolchains.filter { $0.toolchain == foreign }.map(\.profiles) == [[]])
                #expect(building.builds.isEmpty)
                try await pch.server.store.requireNoStraysButTrees(in: folder)
            }
        }
    }

    @Test func whatIsNotWhatItSaysIsRefused() async throws {
        try await PCHServer.with { pch in
            let path = pch.path(toolchain: foreign.id)
            let good = try await sent(pch)
            let other = Digest(of: [9])
            let changes: [(inout Sent) -> Void] = [
                { $0.manifest.digest = other }, { $0.manifest.key = other }, { $0.manifest.treeDigest = other },
                { $0.manifest.toolchain = other }, { $0.manifest.profile = other }, { $0.manifest.umbrella = "net" },
                { $0.manifest.headers = ["linux/bpf.h"] },
                { $0.manifest.leftOut = [.init(header: "linux/bpf.h", reason: "x")] },
                { $0.manifest.stubs = ["../../etc/passwd"] }, { $0.manifest.stubs = ["/etc/passwd"] },
                { $0.manifest.blocked = ["include/../../x"] },
                { $0.manifest.arguments = ["-fplugin=/tmp/x.so"] },
                { $0.manifest.arguments = ["-Xclang", "-load"] }, { $0.manifest.arguments = ["-I/etc"] },
                { $0.manifest.bytes += 1 },
                { $0.pch = Array("no PCH".utf8) }, { $0.pch = [] }, { $0.pch[9] ^= 1 },
            ]
            for (number, change) in changes.enumerated() {
                var sent = good
                change(&sent)
                try expect(await pch.server.put(path, try sent.tar), refusesWith: .pchMalformed)
                #expect(try await pch.server.get("/v1/store").decoded(StoreStatus.self).pchs == 0, "\(number)")
            }
            // A toolchain that is another than its ID says.
            let renamed = String(decoding: try good.tar, as: UTF8.self).replacing("19.1.7\"", with: "19.1.8\"")
            try expect(await pch.server.put(path, Array(renamed.utf8)), refusesWith: .pchMalformed)
            try await pch.server.store.requireNoStraysButTrees(in: pch.server.folder)
        }
    }

    @Test func archivesThatAreNoPCH() async throws {
        try await PCHServer.with { pch in
            let path = pch.path(toolchain: foreign.id)
            let good = try await sent(pch)
            let manifest = Array(try JSONEncoder().encode(good.manifest))
            func tar(_ add: (inout TarForge) -> Void) -> [UInt8] {
                var forge = TarForge()
                add(&forge)
                return forge.finished()
            }
            let archives = [
                tar { $0.addFile("manifest.json", manifest) }, tar { _ in },
                tar {
                    $0.addFile("manifest.json", manifest)
                    $0.addFile("./manifest.json", manifest)
                },
                tar { $0.addFile("pch.tmp", manifest) }, tar { $0.addLink("pch", to: "/etc/shadow") },
                tar {
                    for name in ["manifest.json", "toolchain.json"] { $0.addFile(name, "[]") }
                    $0.addFile("pch", "CPCH")
                },
                tar { $0.addFile("toolchain.json", [UInt8](repeating: 0x20, count: (4 << 20) + 1)) },
            ]
            for archive in archives { try expect(await pch.server.put(path, archive), refusesWith: .pchMalformed) }
            let broken: [[UInt8]] = [[], [1, 2, 3], Array(try good.tar.dropLast(1024)), try good.tar + [1]]
            for bytes in broken {
                let problem = try #require(try await pch.server.put(path, bytes).problem)
                #expect(problem.status == 422 && problem.code.rawValue.hasPrefix("archive-"))
            }
            try await pch.server.store.requireNoStraysButTrees(in: pch.server.folder)
        }
    }

    @Test func limitsAndRefusalsBeforeTheBody() async throws {
        try await PCHServer.with(pch: {
            $0.limits.outputBytes = 4096
        }) { pch in
            let path = pch.path(toolchain: foreign.id)
            let good = try await sent(pch)
            // 5004 bytes.
            try expect(await pch.server.put(path, try good.tar), refusesWith: .uploadTooLarge)
            let endless = ["PUT \(path) HTTP/1.1", "Host: x", "Content-Length: 99999999", "", ""]
            let connection = try pch.server.connect()
            await connection.send(Array(endless.joined(separator: "\r\n").utf8))
            try expect(await connection.answer(), refusesWith: .uploadTooLarge)
            connection.close()
            let wrong = "Repr-Digest: sha-256=:\(String(repeating: "A", count: 43))=:"
            try expect(await pch.server.put(path, try good.tar, wrong), refusesWith: .contentDigestMismatch)
            for field in ["Upload-Complete: ?0", "Content-Range: bytes 0-1/9"] {
                try expect(await pch.server.put(path, [1], field), refusesWith: .requestMalformed)
            }
            let unknown = Digest(of: [9])
            let cases: [(String, ProblemCode)] = [
                (pch.path(), .pchConflict), (pch.path(toolchain: foreign.id, of: "ff"), .kernelUnknown),
                (pch.path("everything", toolchain: foreign.id), .umbrellaUnknown),
                (pch.path(profile: "\(unknown)", toolchain: foreign.id), .profileUnknown),
            ]
            var small = good
            small.pch = Array(good.pch.prefix(100))
            for (path, code) in cases { try expect(await pch.server.put(path, try small.tar), refusesWith: code) }
            #expect(try await pch.server.get("/v1/store").decoded(StoreStatus.self).pchs == 0)
        }
    }

    @Test func anotherPCHOfTheSameKeyIsAConflict() async throws {
        try await PCHServer.with { pch in
            let path = pch.path(toolchain: foreign.id)
            var sent = try await sent(pch)
            #expect(try await pch.server.put(path, try sent.tar).status == 201)
            sent.pch[100] ^= 1
            sent.manifest.digest = Digest(of: sent.pch)
            try expect(await pch.server.put(path, try sent.tar), refusesWith: .pchConflict)
            #expect(try await pch.server.get("\(path)?rank=builder").body == FakeBuilding.bytes("foreign sched"))
        }
    }

    /// The server gets that clang later.
    @Test func theServersOwnTakesTheBuildersPlace() async throws {
        let building = FakeBuilding()
        let own = try #require(await FakeToolchain.registry.toolchains().first)
        try await withTemporaryFolder { folder in
            try await withRunningServer(
                in: folder,
                pch: .fake(building) { $0.registry = ToolchainRegistry(path: "", llvm: "/nowhere") }
            ) { server in
                let pch = PCHServer(server: server, building: building, toolchain: own.id)
                try await server.upload()
                let bytes = FakeBuilding.bytes("foreign")
                let order = try await pch.order(.sched, toolchain: own)
                let sent = Sent(manifest: FakeBuilding.manifest(order, bytes), toolchain: own, pch: bytes)
                #expect(try await server.put(pch.path(), try sent.tar).status == 201)
            }
            try await PCHServer.with(in: folder, building: building, hasKernel: false) { pch in
                let builders = try await pch.server.get("\(pch.path())?rank=builder")
                #expect(builders.body == FakeBuilding.bytes("foreign"))
                #expect(try await pch.ready(pch.path()).body == FakeBuilding.bytes("sched"))
                #expect(try await pch.server.get("\(pch.path())?rank=builder").body == FakeBuilding.bytes("sched"))
                #expect(try await pch.server.get("/v1/store").decoded(StoreStatus.self).pchs == 1)
            }
        }
    }

    // MARK: Profiles

    private static let profile = CompilerProfile(
        name: "bcc-0.31.0", flags: ["-O2", "-Iinclude", "-include", "include/linux/kconfig.h"],
        headers: ["/virtual/include/bcc/bpf.h": "#define B 1\n"], isFoundByName: true)

    private static func json(_ profile: CompilerProfile) throws -> [UInt8] { Array(try JSONEncoder().encode(profile)) }

    @Test func aProfileIsSentOnceAndUsedByItsID() async throws {
        let profile = Self.profile
        let path = APIPath.profile(profile.id)
        try await PCHServer.with { pch in
            let pchPath = pch.path(profile: "\(profile.id)")
            try expect(await pch.server.get(path), refusesWith: .profileUnknown)
            try expect(await pch.server.get(pchPath), refusesWith: .profileUnknown)
            let answer = try await pch.server.put(path, try Self.json(profile))
            #expect(answer.status == 201 && answer["Location"] == path)
            #expect(try answer.decoded(ToolchainList.Profile.self) == .init(name: "bcc-0.31.0", id: profile.id))
            #expect(try await pch.server.put(path, try Self.json(profile)).status == 200)
            let document = try await pch.server.get(path)
            #expect(try document.decoded(CompilerProfile.self) == profile)
            #expect(document["Cache-Control"]?.contains("immutable") == true)
            #expect(try await pch.ready(pchPath).status == 200)
            let manifest: PCHManifest = try await pch.server.get("\(pchPath)/manifest.json").decoded()
            #expect(manifest.profile == profile.id && manifest.profileName == "bcc-0.31.0")
        }
    }

    @Test func profilesThatAreNotTaken() async throws {
        try await PCHServer.with(hasKernel: false) { pch in
            let profile = Self.profile
            let path = APIPath.profile(profile.id)
            let good = try Self.json(profile)
            let evil = CompilerProfile(name: "x", flags: ["-fplugin=/tmp/x.so"])
            let cases: [(String, [UInt8], ProblemCode)] = [
                (path, [], .profileMalformed), (path, Array("{}".utf8), .profileMalformed),
                (path, Array("[".utf8), .profileMalformed),
                (APIPath.profile(Digest(of: [])), good, .profileMalformed),
                (APIPath.profile(evil.id), try Self.json(evil), .profileMalformed),
                (path, good + [UInt8](repeating: 0x20, count: CompilerProfile.limit), .profileTooLarge),
                ("/v1/profiles/bcc", good, .digestMalformed),
            ]
            for (path, body, code) in cases { try expect(await pch.server.put(path, body), refusesWith: code) }
            let wrong = "Content-Digest: sha-256=:\(String(repeating: "A", count: 43))=:"
            try expect(await pch.server.put(path, good, wrong), refusesWith: .contentDigestMismatch)
            try expect(await pch.server.get(path), refusesWith: .profileUnknown)
            try expect(await pch.server.get("/v1/profiles/bcc"), refusesWith: .digestMalformed)
        }
    }

    @Test func theSixtyFifthProfilePushesOneOut() async throws {
        try await PCHServer.with(hasKernel: false) { pch in
            let profiles = (0...64).map { CompilerProfile(name: "p\($0)", flags: ["-DP=\($0)"]) }
            for profile in profiles {
                #expect(try await pch.server.put(APIPath.profile(profile.id), try Self.json(profile)).status == 201)
            }
            let known = try await profiles.asyncMap { try await pch.server.get(APIPath.profile($0.id)).status == 200 }
            #expect(known.count { $0 } == 64 && known[64])
        }
    }
}
