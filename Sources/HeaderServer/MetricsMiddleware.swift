import HTTPTypes
import Hummingbird
import KernelHeaders

/// Counts requests and answers. It stands around ``ProblemMiddleware``, so that refusals are answers like others.
struct MetricsMiddleware<Context: RequestContext>: RouterMiddleware {
    let registry: MetricsRegistry

    init(registry: MetricsRegistry) {
        self.registry = registry
        for status in Set(ProblemCode.allCases.map(\.status)) where status >= 500 {
            registry.begin("error_count", .init(["code": "\(status)"]))
        }
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let route = context.endpointPath
        registry.asked(route)
        let start = ContinuousClock.now
        var response = try await next(request, context)
        // As debuginfod has it: what the answer promises, and the time until its first byte.
        let (status, duration) = (response.status.code, ContinuousClock.now - start)
        let isHead = request.method == .head
        response.meter { [registry] bytes in
            registry.answered(route, status, bytes: isHead ? 0 : bytes, after: duration)
        }
        return response
    }
}
