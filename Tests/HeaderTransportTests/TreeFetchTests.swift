import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// From a server's answers to the folder.
@Suite struct TreeFetchTests {
    private static let kernel = SmallKernel()

    private func withServer(
        _ answers: [[UInt8]],
        _ body: (TreeFetch, BuildID, ScriptedServer, TemporaryFolder) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let server = try ScriptedServer(in: folder, answers)
            defer { server.stop() }
            var client = HeaderServerClient(servers: [server.address])
            client.pause = { _ in }
            try folder.makeFolder("to")
            try await body(TreeFetch(client: client), try #require(BuildID(bytes: [1, 2])), server, folder)
        }
    }

    /// - Parameter tree: the one that the server says it is.
    private static func response(_ body: [UInt8], tree: String? = nil, missing: Int = 0) throws -> [UInt8] {
        let tree = try tree ?? kernel.manifest.digest.description
        let head =
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: \(body.count)\r\nKheaderd-Tree: \(tree)\r\n\r\n"
        return Array(head.utf8) + body.dropLast(missing)
    }

    @Test(arguments: [nil, "in place"])
    func aFetchUnpacksAndTriesAgainWhenTheConnectionBreaks(existing: String?) async throws {
        let manifest = try Self.kernel.manifest
        let bundle = try Self.kernel.archive(.zstd)
        let answers = [try Self.response(bundle, missing: 9), try Self.response(bundle)]
        try await withServer(answers) { fetch, id, server, folder in
            if existing != nil { try folder.makeFolder("to/tree") }
            let tree = try await fetch.fetch(id, to: folder.path("to/tree") + "//")
            #expect(tree.path == folder.path("to/tree"))
            #expect(tree.treeDigest == manifest.digest)
            #expect(tree.files == manifest.fileCount)
            #expect(folder.names(in: "to") == ["tree"])
            #expect(try HeaderFolder(source: tree.path).read(ManifestOnly()) == manifest)
            #expect(
                server.seen.map { $0.head.split(separator: " ")[1] }
                    == ["/buildid/0102/headers.tar", "/buildid/0102/headers.tar"])
        }
    }

    @Test func aTruncatedDownloadLeavesNothing() async throws {
        let bundle = try Self.kernel.archive(.zstd)
        let answers = [[UInt8]](repeating: try Self.response(bundle, missing: 1), count: 9)
        try await withServer(answers) { fetch, id, server, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TransportError)?.code == "transfer-broken-off" && ExitStatus($0) == .unreachable }
            #expect(server.seen.count == 1 + RetryPolicy.retries)
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    @Test func anotherKernelsTreeLeavesNothing() async throws {
        let other = try SmallKernel(release: "6.1.0-98-amd64").archive(.zstd)
        try await withServer([try Self.response(other)]) { fetch, id, _, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TreeFetchError)?.code == "tree-differs" && ExitStatus($0) == .failed }
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    /// One server's damaged store must not keep a tree from those who have another server.
    @Test func theNextServerIsAskedWhenOneSendsAnotherTree() async throws {
        try await withTemporaryFolder { folder in
            let other = try SmallKernel(release: "6.1.0-98-amd64").archive(.zstd)
            let answers = [try Self.response(other), try Self.response(Self.kernel.archive(.zstd))]
            let servers = try answers.enumerated().map { try ScriptedServer(in: folder, [$1], name: "socket\($0)") }
            defer { for server in servers { server.stop() } }
            var client = HeaderServerClient(servers: servers.map(\.address))
            client.stagger = { try await Task.sleep(for: .seconds(3600)) }
            try folder.makeFolder("tree")
            let id = try #require(BuildID(bytes: [1, 2]))
            let tree = try await TreeFetch(client: client).fill(folder.path("tree"), of: id)
            #expect(try tree.digest == Self.kernel.manifest.digest)
            #expect(servers.map(\.seen.count) == [1, 1])
        }
    }

    @Test func whatIsNoArchiveLeavesNothing() async throws {
        try await withServer([try Self.response(Array("<html>".utf8))]) { fetch, id, _, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TreeFetchError)?.code == "archive-format-unknown" }
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    @Test func whoeverWasFasterKeepsItsTree() async throws {
        let answers = [try Self.response(try Self.kernel.archive(.zstd))]
        try await withServer(answers) { fetch, id, _, folder in
            let destination = try TreeDestination(folder.path("to/tree"))
            try folder.write(Array("mine".utf8), to: "to/tree/first.h")
            await #expect(throws: TreeFetchError.destinationTaken(folder.path("to/tree"))) {
                try await fetch.fetch(id, to: destination)
            }
            #expect(folder.names(in: "to") == ["tree"])
            #expect(folder.names(in: "to/tree") == ["first.h"])
        }
    }

    @Test(arguments: ["", "00", "tree"])
    func withoutATreesDigestItIsNoAnswer(tree: String) async throws {
        try await withServer([try Self.response(try Self.kernel.archive(.zstd), tree: tree)]) { fetch, id, _, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TransportError)?.code == "server-answer-malformed" }
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    @Test(arguments: [
        (["http://127.0.0.1:1"], BundleFormat.tar), (["unix:/a", "http://localhost:1"], .tar),
        (["http://example.org"], .tarZstd), (["unix:/a", "https://example.org"], .tarZstd),
    ])
    func onlyFromThisHostItIsNotCompressed(servers: [String], format: BundleFormat) throws {
        #expect(HeaderServerClient(servers: try servers.map(ServerAddress.init)).treeFormat == format)
    }

    @Test func aFolderIsFilledReadOnly() async throws {
        let manifest = try Self.kernel.manifest
        let other = try SmallKernel(revision: 2).archive(.zstd)
        let answers = [try Self.response(other), try Self.response(try Self.kernel.archive(.zstd))]
        try await withServer(answers) { fetch, _, server, folder in
            await #expect(throws: TreeFetchError.self) {
                try await fetch.fill(folder.path("to"), with: manifest.digest)
            }
            #expect(folder.names(in: "to").isEmpty)
            let tree = try await fetch.fill(folder.path("to"), with: manifest.digest, access: .readOnly)
            #expect(tree.digest == manifest.digest)
            #expect(try HeaderFolder(source: folder.path("to")).read(ManifestOnly()) == manifest)
            #expect(server.seen[0].head.hasPrefix("GET /trees/\(manifest.digest)/headers.tar "))
        }
    }
}
