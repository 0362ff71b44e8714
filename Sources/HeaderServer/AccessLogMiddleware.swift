import HTTPTypes
import Hummingbird
import Logging

/// A line in the log for every answer, with the request's ID as all lines have it. It stands around
/// ``ProblemMiddleware``, so that refusals are answers like others.
struct AccessLogMiddleware: RouterMiddleware {
    typealias Context = ServerRequestContext

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        var metadata: Logger.Metadata = [
            "method": "\(request.method.rawValue)", "path": "\(Self.path(request, context))",
            "status": "\(response.status.code)",
            "milliseconds": "\(Int((ContinuousClock.now - start) / .milliseconds(1)))",
        ]
        metadata["bytes"] = response.body.contentLength.map { "\($0)" }
        metadata["client"] = context.channel.remoteAddress?.ipAddress.map { "\($0)" }
        metadata["token"] = context.visitor.token.map { "\($0)" }
        context.logger.info("request", metadata: metadata)
        return response
    }

    /// Without the query. The path of an upload is the right to write to it; its route says enough.
    private static func path(_ request: Request, _ context: Context) -> String {
        if let route = context.endpointPath, route.contains("{token}") { return route }
        return request.uri.path.withoutControlCharacters
    }
}
