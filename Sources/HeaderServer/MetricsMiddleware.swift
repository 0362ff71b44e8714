import HTTPTypes
import Hummingbird

/// Counts requests and answers. It stands around ``ProblemMiddleware``, so that refusals are answers like others.
struct MetricsMiddleware<Context: RequestContext>: RouterMiddleware {
    let registry: MetricsRegistry

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let route = context.endpointPath
        registry.asked(route)
        let start = ContinuousClock.now
        let response = try await next(request, context)
        // As debuginfod has it: what the answer promises, and the time until its first byte.
        let bytes = request.method == .head ? 0 : response.body.contentLength ?? 0
        registry.answered(route, response.status.code, bytes: bytes, after: ContinuousClock.now - start)
        return response
    }
}
