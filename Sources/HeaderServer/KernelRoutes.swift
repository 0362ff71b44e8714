import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders

/// The kernels: their list, one of them, and the upload of its headers.
struct KernelRoutes {
    typealias Context = ServerRequestContext

    /// The most kernels on a page, and how many there are unless the request says.
    static let maximumPage = 1000

    let store: HeaderStore
    let uploads: UploadRoutes
    let pch: PCHService

    func add(to router: Router<Context>) {
        router.get("/v1/kernels", use: list)
        router.get("/v1/kernels/{buildID}", use: show)
        router.put("/v1/kernels/{buildID}/headers") { request, context in
            try await uploads.take(request, context, as: try HeadersUpload(request, context, to: store, pch: pch))
        }
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
}
