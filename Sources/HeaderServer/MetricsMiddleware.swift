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
        let type = Self.type(ofRoute: context.endpointPath)
        registry.count("http_requests_total", .init(["type": type]))
        let start = ContinuousClock.now
        let response = try await next(request, context)
        let code = response.status.code
        registry.count("http_responses_total", .init(["result": code >= 400 ? "error" : "success"]))
        if code >= 500 { registry.count("error_count", .init(["code": "\(code)"])) }
        let labels = MetricsRegistry.Labels(["code": "\(code)", "type": type])
        // As debuginfod has it: what the answer promises, and the time until its first byte.
        let bytes = request.method == .head ? 0 : response.body.contentLength ?? 0
        registry.observe("http_responses_transfer_bytes", labels, bytes)
        let duration = ContinuousClock.now - start
        registry.observe("http_responses_duration_milliseconds", labels, Int(duration / .milliseconds(1)))
        let route = MetricsRegistry.Labels(["route": context.endpointPath ?? "unknown"])
        registry.time("kheaderd_http_request_duration_seconds", route, duration)
        return response
    }

    /// What debuginfod calls `type`: the kind of artefact under a build ID or a tree, else the route.
    ///
    /// - Parameter route: as it was declared, `/buildid/{buildID}/headers.tar.zst`; nil for what is no route.
    static func type(ofRoute route: String?) -> String {
        guard let route else { return "unknown" }
        let parts = route.split(separator: "/")
        switch parts.first {
        case "buildid" where parts.count > 2, "trees" where parts.count > 2:
            return String(parts[2].prefix { $0 != "." })
        case "metadata", "metrics": return String(parts[0])
        default: return route
        }
    }
}
