import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore

/// What a tree can be had as: bundles, the manifest, single files; under a kernel's build ID and under the tree's digest.
struct TreeRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore

    func add(to router: Router<Context>) {
        add(to: router.group("/buildid/{buildID}"), lifetime: .byBuildID) { context in
            try await store.kernel(try context.buildID()).treeDigest
        }
        add(to: router.group("/trees/{treeDigest}"), lifetime: .byDigest) { try $0.treeDigest() }
    }

    private func add(
        to group: RouterGroup<Context>, lifetime: Representation.Lifetime,
        tree: @escaping @Sendable (Context) async throws -> Digest
    ) {
        for format in BundleFormat.allCases {
            group.get("headers.\(format.rawValue)") { request, context in
                let digest = try await tree(context)
                let bundle = try await store.bundle(of: digest, format: format)
                return try Representation(
                    contents: .bundle(bundle), mediaType: format.mediaType, digest: bundle.digest, lifetime: lifetime,
                    fields: [.tree: "\(digest)"]
                ).response(to: request, over: context.channel)
            }
        }
        group.get("manifest.json") { request, context in
            let digest = try await tree(context)
            // Megabytes of JSON.
            let (bytes, hash) = try await store.manifest(of: digest) { manifest in
                let bytes = try JSON.encode(ManifestDocument(manifest, digest: digest))
                return (bytes, SHA256Hash.digest(of: bytes))
            }
            return try Representation(
                contents: .memory(ByteBuffer(bytes: bytes)), mediaType: "application/json", digest: hash,
                lifetime: lifetime, fields: [.tree: "\(digest)"]
            ).response(to: request, over: context.channel)
        }
        group.get("source/**") { request, context in
            let path = try context.headerPath()
            let digest = try await tree(context)
            let file = try await store.file(at: path, in: digest)
            return try Representation(
                contents: .memory(ByteBuffer(bytes: file.bytes)), mediaType: "application/octet-stream",
                digest: file.digest, lifetime: lifetime, fields: [.tree: "\(digest)"]
            ).response(to: request, over: context.channel)
        }
    }
}
