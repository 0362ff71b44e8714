import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import NIOCore

/// The kernels: their list, one of them, and the upload of its headers.
struct KernelRoutes<Context: RequestContext> {
    /// The most kernels on a page, and how many there are unless the request says.
    static var maximumPage: Int { 1000 }

    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.get("/v1/kernels", use: list)
        router.get("/v1/kernels/{buildID}", use: show)
        router.put("/v1/kernels/{buildID}/headers", use: upload)
        router.get("/v1/store") { _, _ in try Response.json(try await store.status()) }
    }

    @Sendable private func list(_ request: Request, _ context: Context) async throws -> Response {
        let limit = try request.integer("limit", in: 1...Self.maximumPage, default: Self.maximumPage)
        let cursor = request.query("cursor").flatMap { $0.isEmpty ? nil : $0 }
        let release = try request.label("release")
        return try Response.json(try await store.kernels(release: release, after: cursor, limit: limit))
    }

    @Sendable private func show(_ request: Request, _ context: Context) async throws -> Response {
        try Response.json(try await store.kernel(try context.buildID()))
    }

    /// Streams the body to disk, then takes it in. The answer is sent when the kernel is durable.
    @Sendable private func upload(_ request: Request, _ context: Context) async throws -> Response {
        let identity = KernelIdentity(
            buildID: try context.buildID(), release: try request.label("release"),
            versionLine: try request.label("versionLine"),
            architecture: try request.label("architecture").map { Architecture(machine: $0) },
            hasBTF: try request.boolean("hasBTF"))
        let source = try Self.source(request)
        let (upload, digest) = try await request.receive { try store.stageUpload(expecting: $0) }
        let (receipt, isNew) = try await store.ingest(upload, digest: digest, identity: identity, source: source)
        context.logger.info(
            isNew ? "headers stored" : "headers known",
            metadata: [
                "buildID": "\(identity.buildID)", "tree": "\(receipt.treeDigest)", "newBlobs": "\(receipt.newBlobs)",
                "storedBytes": "\(receipt.storedBytes)",
            ])
        var response = try Response.json(receipt, status: isNew ? .created : .ok)
        if isNew { response.headers[.location] = APIPath.kernel(identity.buildID) }
        return response
    }

    private static func source(_ request: Request) throws -> HeaderSource {
        guard let text = request.query("source"), !text.isEmpty else { return .push }
        guard let source = HeaderSource.uploadable.first(where: { $0.rawValue == text }) else {
            let all = HeaderSource.uploadable.map(\.rawValue).joined(separator: ", ")
            throw Problem(.parameterMalformed, "source is one of \(all).")
        }
        return source
    }
}
