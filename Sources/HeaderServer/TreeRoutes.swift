import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore
import OperatorDocuments

/// What a tree can be had as: bundles, the manifest, single files; under a kernel's build ID and under the tree's digest.
struct TreeRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore

    func add(to router: Router<Context>) {
        add(to: router.group("/buildid/{buildID}"), lifetime: .byBuildID) { context in
            try await store.tree(of: try context.buildID())
        }
        add(to: router.group("/trees/{treeDigest}"), lifetime: .byDigest) { try $0.treeDigest() }
    }

    private func add(
        to group: RouterGroup<Context>, lifetime: Representation.Lifetime,
        tree: @escaping @Sendable (Context) async throws -> Digest
    ) {
        for format in BundleFormat.allCases {
            let name = "headers.\(format.rawValue)"
            group.get("\(name)") { request, context in
                let tree = try await tree(context)
                func answer(_ contents: Representation.Contents, _ digest: Digest) throws -> Response {
                    try Representation.bundle(contents, digest, format, of: tree, lifetime)
                        .response(to: request, over: context.channel)
                }
                if Representation.mayHaveNoBody(to: request.head),
                    let known = store.knownBundle(of: tree, format: format),
                    Representation.hasNoBody(to: request.head, known.digest)
                {
                    return try answer(.unopened(length: known.length), known.digest)
                }
                guard GrowingRepresentation.fits(request) else {
                    let bundle = try await store.bundle(of: tree, format: format)
                    return try answer(.file(bundle), bundle.digest)
                }
                switch try await store.beginningOfBundle(of: tree, format: format) {
                case .whole(let bundle): return try answer(.file(bundle), bundle.digest)
                case .growing(let file):
                    return GrowingRepresentation(
                        file: file, mediaType: format.mediaType, fileName: name, tree: tree
                    ).response(over: context.channel)
                }
            }
        }
        group.get("manifest.json") { request, context in
            let digest = try await tree(context)
            // Megabytes of JSON.
            let document = try await store.manifestDocument(of: digest) { manifest in
                try JSON.encode(ManifestDocument(manifest, digest: digest))
            }
            return try Representation.manifest(document, of: digest, lifetime)
                .response(to: request, over: context.channel)
        }
        group.get("source/**") { request, context in
            let path = try context.headerPath()
            let digest = try await tree(context)
            let file = try await file(at: path, in: digest)
            return try Representation.source(file, at: path, of: digest, lifetime)
                .response(to: request, over: context.channel)
        }
    }

    /// A file by its path in the tree, or by the path that it has on a host with the kernel's headers package, which is
    /// what compilers write into debug information.
    private func file(at path: HeaderPath, in tree: Digest) async throws -> (bytes: [UInt8], digest: Digest) {
        do {
            return try await store.file(at: path, in: tree)
        } catch let problem as Problem where problem.code == .fileUnknown {
            guard let inside = Self.pathInHeadersFolder(path) else { throw problem }
            return try await store.file(at: inside, in: tree)
        }
    }

    /// What follows `[usr/]lib/modules/RELEASE/{build,source}/` or `usr/src/linux-headers-RELEASE/`; nil for other paths.
    static func pathInHeadersFolder(_ path: HeaderPath) -> HeaderPath? {
        // Hardly any is one: they are not worth taking apart.
        guard ["usr/", "lib/"].contains(where: { path.string.utf8.starts(with: $0.utf8) }) else { return nil }
        var parts = path.components[...]
        if parts.starts(with: ["usr", "src"]), parts.count > 3, parts[2].hasPrefix("linux-headers-") {
            parts = parts.dropFirst(3)
        } else {
            if parts.first == "usr" { parts = parts.dropFirst() }
            guard parts.starts(with: ["lib", "modules"]), parts.count > 4,
                ["build", "source"].contains(parts[parts.startIndex + 3])
            else { return nil }
            parts = parts.dropFirst(4)
        }
        return HeaderPath(parts.joined(separator: "/"))
    }
}
