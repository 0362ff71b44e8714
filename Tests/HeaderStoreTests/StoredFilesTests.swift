import HeaderArchive
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// Single files of a tree, through its links.
@Suite struct StoredFilesTests {
    private static let links = [
        ("include/one.h", "real.h"), ("include/sub/two.h", "../one.h"), ("include/sub/three.h", "./../sub/./two.h"),
        ("include/broken.h", "missing.h"), ("include/loop.h", "loop.h"), ("include/ping.h", "pong.h"),
        ("include/pong.h", "ping.h"), ("include/folder.h", "sub"),
    ]

    @Test(arguments: [
        ("include/real.h", true), ("include/one.h", true), ("include/sub/two.h", true),
        ("include/sub/three.h", true), ("include/broken.h", false), ("include/loop.h", false),
        ("include/ping.h", false),
        ("include/folder.h", false), ("include", false), ("include/none.h", false),
    ])
    func aFileIsFoundThroughLinks(path: String, isThere: Bool) async throws {
        var forge = TarForge()
        forge.addFile("include/real.h", "int real;")
        forge.addFile("include/sub/other.h", "int other;")
        for (path, target) in Self.links { forge.addLink(path, to: target) }
        let id = try #require(BuildID("0102"))
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let tree = try await store.put(forge.finished(), as: KernelIdentity(buildID: id)).receipt.treeDigest
            let path = try #require(HeaderPath(path))
            if isThere {
                let file = try await store.file(at: path, in: tree)
                #expect(file.bytes == Array("int real;".utf8))
                #expect(file.digest == Digest(of: file.bytes))
            } else {
                let problem = await #expect(throws: Problem.self) { try await store.file(at: path, in: tree) }
                #expect(problem?.code == .fileUnknown)
            }
        }
    }

    @Test func whatIsNotThereIsUnknown() async throws {
        try await withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store"))
            let digest = Digest(of: [])
            let path = try #require(HeaderPath("include/a.h"))
            let id = try #require(BuildID("0102"))
            let noManifest = await #expect(throws: Problem.self) { try await store.manifest(of: digest) }
            let noFile = await #expect(throws: Problem.self) { try await store.file(at: path, in: digest) }
            let noKernel = await #expect(throws: Problem.self) { try await store.kernel(id) }
            #expect(noManifest?.code == .treeUnknown && noFile?.code == .treeUnknown)
            #expect(noKernel?.code == .kernelUnknown)
        }
    }

    @Test func theStatusCountsWhatThereIs() async throws {
        let kernels = try [1, 2].map { try StoredKernel(id: UInt8($0), SmallKernel(revision: $0, hasLargeFile: false)) }
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let store = try HeaderStore(folder: state)
            for kernel in kernels { try await store.put(kernel) }
            _ = try await store.bundleBytes(kernels[0], .tar)
            let status = try await store.status()
            #expect(status.kernels == 2 && status.trees == 2 && status.packs == 2 && status.conflicts == 0)
            #expect(status.files == kernels.reduce(0) { $0 + $1.manifest.fileCount })
            #expect(status.rawBytes == kernels.reduce(0) { $0 + $1.manifest.contentBytes })
            let blobs = Dictionary(
                kernels.flatMap { $0.contents.values.map { (Digest(of: $0), $0.count) } },
                uniquingKeysWith: { one, _ in one })
            #expect(status.blobs == blobs.count)
            #expect(status.blobBytes == blobs.values.reduce(0, +))
            #expect(status.catalogueBytes > 0 && status.bundleBytes > 0)
            try await store.requireNoStrays(in: state)
        }
    }
}
