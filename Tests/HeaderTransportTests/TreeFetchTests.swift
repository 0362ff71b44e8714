import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// From a server's answers to the folder.
@Suite struct TreeFetchTests {
    private static let kernel = SmallKernel()

    /// - Parameter answers: after the kernel's record.
    private func withServer(
        _ answers: [[UInt8]], onRequest: @escaping @Sendable (Int) -> Void = { _ in },
        _ body: (TreeFetch, BuildID, ScriptedServer, TemporaryFolder) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let id = try #require(BuildID(bytes: [1, 2]))
            let record = KernelSummary(
                identity: KernelIdentity(buildID: id), source: .push, treeDigest: try Self.kernel.manifest.digest,
                files: 1, bytes: 2, firstSeen: 3, lastSeen: 4, conflicts: 0)
            let document = try JSONEncoder().encode(record)
            let server = try ScriptedServer(
                in: folder, [Self.response(Array(document))] + answers, name: "socket")
            defer { server.stop() }
            var client = HeaderServerClient(servers: [server.address])
            client.pause = { _ in }
            try folder.makeFolder("to")
            try await body(TreeFetch(client: client), id, server, folder)
        }
    }

    private static func response(_ body: [UInt8], missing: Int = 0) -> [UInt8] {
        Array("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
            + body.dropLast(missing)
    }

    @Test(arguments: [nil, "in place"])
    func aFetchUnpacksAndTriesAgainWhenTheConnectionBreaks(existing: String?) async throws {
        let manifest = try Self.kernel.manifest
        let bundle = try Self.kernel.archive(.zstd)
        let answers = [Self.response(bundle, missing: 9), Self.response(bundle)]
        try await withServer(answers) { fetch, id, server, folder in
            if existing != nil { try folder.makeFolder("to/tree") }
            let tree = try await fetch.fetch(id, to: folder.path("to/tree") + "//")
            #expect(tree.path == folder.path("to/tree"))
            #expect(tree.treeDigest == manifest.digest)
            #expect(tree.files == manifest.fileCount)
            #expect(folder.names(in: "to") == ["tree"])
            #expect(try HeaderFolder(source: tree.path).read(ManifestOnly()) == manifest)
            #expect(
                server.seen.map { $0.head.split(separator: " ")[1] } == [
                    "/v1/kernels/0102", "/trees/\(manifest.digest)/headers.tar.zst",
                    "/trees/\(manifest.digest)/headers.tar.zst",
                ])
        }
    }

    @Test func aTruncatedDownloadLeavesNothing() async throws {
        let bundle = try Self.kernel.archive(.zstd)
        let answers = [[UInt8]](repeating: Self.response(bundle, missing: 1), count: 9)
        try await withServer(answers) { fetch, id, server, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TransportError)?.code == "transfer-broken-off" && ExitStatus($0) == .unreachable }
            #expect(server.seen.count == 2 + RetryPolicy.retries)
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    @Test func anotherKernelsTreeLeavesNothing() async throws {
        let other = try SmallKernel(release: "6.1.0-98-amd64").archive(.zstd)
        try await withServer([Self.response(other)]) { fetch, id, _, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TreeFetchError)?.code == "tree-differs" && ExitStatus($0) == .failed }
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    @Test func whatIsNoArchiveLeavesNothing() async throws {
        try await withServer([Self.response(Array("<html>".utf8))]) { fetch, id, _, folder in
            await #expect {
                try await fetch.fetch(id, to: folder.path("to/tree"))
            } throws: { ($0 as? TreeFetchError)?.code == "archive-format-unknown" }
            #expect(folder.names(in: "to").isEmpty)
        }
    }

    @Test func whoeverWasFasterKeepsItsTree() async throws {
        let answers = [Self.response(try Self.kernel.archive(.zstd))]
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

    @Test func aFolderIsFilledReadOnly() async throws {
        let manifest = try Self.kernel.manifest
        let record = Self.response(try Self.kernel.archive(.zstd))
        try await withServer([record]) { fetch, id, _, folder in
            // The record of the kernel is the first answer.
            await #expect(throws: TreeFetchError.self) {
                try await fetch.fill(folder.path("to"), with: manifest.digest)
            }
            #expect(folder.names(in: "to").isEmpty)
            let tree = try await fetch.fill(folder.path("to"), with: manifest.digest, access: .readOnly)
            #expect(tree.digest == manifest.digest)
            #expect(try HeaderFolder(source: folder.path("to")).read(ManifestOnly()) == manifest)
        }
    }
}
