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
        var response = try await next(request, context)
        var metadata: Logger.Metadata = [
            "method": "\(request.method.rawValue)", "path": "\(Self.path(request, context))",
            "status": "\(response.status.code)",
            "milliseconds": "\(Int((ContinuousClock.now - start) / .milliseconds(1)))",
        ]
        metadata["client"] = context.channel.remoteAddress?.ipAddress.map { "\($0)" }
        metadata["token"] = context.visitor.token.map { "\($0)" }
        response.meter { [metadata, logger = context.logger] bytes in
            logger.info("request", metadata: metadata.merging(["bytes": "\(bytes)"]) { $1 })
        }
        return response
    }

    /// Without the query. The path of an upload is the right to write to it, by whatever method it is asked for; a request
    /// with one that it has not is none of the route's.
    private static func path(_ request: Request, _ context: Context) -> String {
        let isOfUpload = context.endpointPath?.contains("{token}") == true || request.uri.path.contains("uploads/")
        return isOfUpload ? "/v1/uploads/{token}" : request.uri.path.withoutControlCharacters
    }
}
