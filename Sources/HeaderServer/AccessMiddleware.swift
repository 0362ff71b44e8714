import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging

/// Refuses who may not ask, before a route sees the request and before anything of its body is read.
struct AccessMiddleware: RouterMiddleware {
    typealias Context = ServerRequestContext

    let access: AccessControl

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            let token = try access.admit(
                request.method, route: context.endpointPath, source: request.query("source"),
                authorization: request.headers[.authorization])
            if let token {
                context.logger[metadataKey: "token"] = "\(token.id)"
                context.visitor.token = "\(token.id)"
            }
        } catch let refusal as Refusal
            where refusal.problem.status == 401
            && (request.preferHTML || PageRoutes.isPage(context.endpointPath))
        {
            var fields = refusal.fields
            fields.append(HTTPField(name: .wwwAuthenticate, value: AccessControl.browserChallenge))
            throw Refusal(problem: refusal.problem, fields: fields)
        } catch let error as AccessError {
            context.logger.error("nobody is let in", metadata: ["error": "\(error.reason)"])
            throw Problem(
                .storeDamaged, "The server can't tell who may ask: its file of tokens is damaged. Tell its operator.")
        }
        return try await next(request, context)
    }
}
