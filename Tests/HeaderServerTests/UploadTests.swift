import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Synchronization
import Testing

/// What becomes of an upload that is taken, or that does not fit what the server has.
@Suite struct UploadTests {
    private static let path = "/v1/kernels/\(TestKernels.id)/headers"

    /// Seconds that go on when a test says so.
    private final class Clock: Sendable {
        private let seconds = Mutex(1_700_000_000)
        var now: Int { seconds.withLock { $0 } }
        func goOn(_ count: Int) { seconds.withLock { $0 += count } }
    }

    @Test func aNewTreeIs201WithItsReceipt() async throws {
        try await withRunningServer { server in
            let answer = try await server.put(Self.path, TestKernels.tar)
            #expect(answer.status == 201)
            #expect(answer["Content-Type"] == "application/json")
            #expect(answer["Location"] == "/v1/kernels/\(TestKernels.id)")
            let receipt: IngestReceipt = try answer.decoded()
            let manifest = try TestKernels.kernel.manifest
            let contents = Set(
                TestKernels.kernel.entries.compactMap { entry -> [UInt8]? in
                    if case .file(let bytes, _) = entry.contents { bytes } else { nil }
                })
            #expect(receipt.buildID.description == TestKernels.id)
            #expect(receipt.treeDigest == manifest.digest)
            #expect(receipt.files == manifest.fileCount)
            #expect(receipt.bytes == manifest.contentBytes)
            #expect(receipt.newBlobs == contents.count)
            #expect(receipt.newBytes == contents.reduce(0) { $0 + $1.count })
            let packs = server.folder.names(in: "store/packs")
            #expect(packs.count == 1)
            #expect(try server.folder.read("store/packs/\(packs[0])").count == receipt.storedBytes)
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test(arguments: [nil] + CompressionTool.allCases)
    func theSameTreeAgainIs200AndOnlyASighting(_ tool: CompressionTool?) async throws {
        let clock = Clock()
        try await withRunningServer(options: { $0.now = { clock.now } }) { server in
            let first = try await server.upload()
            let before = try await server.snapshot()
            #expect(try await server.summary().lastSeen == 1_700_000_000)
            clock.goOn(77)
            let archive = try tool?.compress(TestKernels.tar) ?? TestKernels.tar
            let answer = try await server.put(Self.path, archive)
            #expect(answer.status == 200)
            #expect(answer["Location"] == nil)
            var expected = first
            (expected.newBlobs, expected.newBytes, expected.storedBytes) = (0, 0, 0)
            #expect(try answer.decoded(IngestReceipt.self) == expected)
            #expect(try await server.snapshot() == before)
            let summary = try await server.summary()
            #expect((summary.firstSeen, summary.lastSeen) == (1_700_000_000, 1_700_000_077))
        }
    }

    @Test func theSameTreeForAnotherKernelAddsTheKernelOnly() async throws {
        try await withRunningServer { server in
            let first = try await server.upload()
            let second = try await server.upload(as: TestKernels.otherID)
            #expect(second.treeDigest == first.treeDigest)
            #expect((second.newBlobs, second.newBytes) == (0, 0))
            #expect(second.storedBytes < 1000)
            let status: StoreStatus = try await server.get("/v1/store").decoded()
            #expect((status.kernels, status.trees, status.blobs) == (2, 1, first.newBlobs))
            #expect((status.files, status.rawBytes) == (2 * first.files, 2 * first.bytes))
            #expect(status.packBytes == first.storedBytes + second.storedBytes)
            let manifests = try await [TestKernels.id, TestKernels.otherID].asyncMap {
                try await server.get("/buildid/\($0)/manifest.json").body
            }
            #expect(manifests[0] == manifests[1])
        }
    }

    @Test func anotherTreeForAKernelIsAConflict() async throws {
        try await withRunningServer { server in
            let receipt = try await server.upload()
            let before = try await server.snapshot()
            for _ in 1...2 {
                let answer = try await server.put(Self.path, TestKernels.nextBuild.tar)
                try expect(answer, refusesWith: .treeConflict)
                #expect(answer.text.contains("\(receipt.treeDigest)"))
            }
            // One tree twice is one conflict.
            #expect(try await server.summary().conflicts == 1)
            try expect(
                await server.put(Self.path, SmallKernel(revision: 3, hasLargeFile: false).tar),
                refusesWith: .treeConflict)
            var expected = before
            expected.status.conflicts = 2
            expected.kernels.kernels[0].conflicts = 2
            #expect(try await server.snapshot() == expected)
            #expect(try await server.summary().treeDigest == receipt.treeDigest)
            // The tree may still come as another kernel's.
            try await server.upload(TestKernels.nextBuild.tar, as: TestKernels.otherID)
        }
    }

    @Test func whatTheSenderAndTheTreeSayIsKept() async throws {
        try await withRunningServer { server in
            let query =
                "?release=6.1.0-99-amd64&versionLine=%231%20SMP%20a%2Bb&architecture=x86_64&hasBTF=true&source=import"
            try await server.upload(query: query)
            let told = try await server.summary()
            var expected = KernelIdentity(
                buildID: try #require(BuildID(TestKernels.id)), release: "6.1.0-99-amd64", versionLine: "#1 SMP a+b",
                architecture: Architecture(machine: "x86_64"), hasBTF: true)
            #expect(told.identity == expected)
            #expect(told.source == .import)
            // Of one who says nothing, release and architecture are taken from the tree.
            try await server.upload(as: TestKernels.otherID)
            let found = try await server.summary(TestKernels.otherID)
            expected = KernelIdentity(
                buildID: try #require(BuildID(TestKernels.otherID)), release: "6.1.0-99-amd64",
                architecture: Architecture(machine: "x86_64"))
            #expect(found.identity == expected)
            #expect(found.source == .push)
        }
    }

    @Test func concurrentUploadsOfOneKernelStoreItOnce() async throws {
        try await withRunningServer { server in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 { group.addTask { try await server.put(Self.path, TestKernels.tar).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [200, 200, 200, 200, 200, 200, 200, 201])
            #expect(server.folder.names(in: "store/packs").count == 1)
            #expect(server.folder.names(in: "store/staging").isEmpty)
        }
    }

    @Test func aStoreIsTheSameAfterARestart() async throws {
        try await withTemporaryFolder { folder in
            let before = try await withRunningServer(in: folder) { server in
                try await server.upload()
                #expect(try await server.get("/buildid/\(TestKernels.id)/headers.tar").status == 200)
                return try await server.snapshot()
            }
            try await withRunningServer(in: folder) { server in
                let after = try await server.snapshot()
                #expect(after == before)
                #expect(try await server.put(Self.path, TestKernels.tar).status == 200)
            }
        }
    }
}

extension Sequence where Element: Sendable {
    /// One after the other.
    func asyncMap<Value>(
        isolation: isolated (any Actor)? = #isolation, _ body: (Element) async throws -> Value
    ) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
