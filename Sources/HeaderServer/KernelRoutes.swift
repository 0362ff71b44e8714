import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import OperatorDocuments

/// The kernels: their list, one of them, what operators do to it, and the upload of its headers.
struct KernelRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore
    let uploads: UploadRoutes
    let pch: PCHService

    func add(to router: Router<Context>) {
        router.get("/v1/kernels", use: list)
        router.get("/v1/kernels/{buildID}", use: show)
        router.delete("/v1/kernels/{buildID}", use: purge)
        router.put("/v1/kernels/{buildID}/pin", use: pin)
        router.delete("/v1/kernels/{buildID}/pin", use: unpin)
        router.put("/v1/kernels/{buildID}/headers") { request, context in
            try await uploads.take(request, context, as: try HeadersUpload(request, context, to: store, pch: pch))
        }
        router.get("/v1/store") { _, _ in
            var status = try await store.status()
            let jobs = await pch.figures
            (status.jobsWaiting, status.jobsRunning) = (jobs.waiting, jobs.running)
            return try Response.json(status)
        }
    }

    @Sendable private func list(_ request: Request, _ context: Context) async throws -> Response {
        try request.hasOnly(KernelQuery().items.map(\.name))
        return try Response.json(try await store.kernels(try request.kernelQuery()))
    }

    @Sendable private func show(_ request: Request, _ context: Context) async throws -> Response {
        try Response.json(try await store.detail(of: try context.buildID()))
    }

    @Sendable private func pin(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        let reason = try request.reason()
        let detail = try await store.pin(id, reason: reason)
        context.logger.notice("kernel pinned", metadata: ["buildID": "\(id)", "reason": "\(reason ?? "")"])
        return try Response.json(detail)
    }

    @Sendable private func unpin(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        try await store.unpin(id)
        context.logger.notice("kernel unpinned", metadata: ["buildID": "\(id)"])
        return Response(status: .noContent)
    }

    @Sendable private func purge(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        let reason = try request.reason()
        try await store.purge(id, reason: reason)
        context.logger.notice("kernel deleted", metadata: ["buildID": "\(id)", "reason": "\(reason ?? "")"])
        return Response(status: .noContent)
    }
}
