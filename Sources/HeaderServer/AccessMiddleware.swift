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
        try Self.refuseOtherSites(request)
        do {
            let token = try access.admit(
                request.method, route: context.endpointPath, source: request.query("source"),
                authorization: request.headers[.authorization])
            if let token {
                context.logger[metadataKey: "token"] = "\(token.id)"
                context.visitor.token = "\(token.id)"
            }
        } catch let refusal as Refusal {
            if let id = AccessControl.tokenID(authorization: request.headers[.authorization]) {
                context.visitor.token = id
                context.logger.notice(
                    "token refused", metadata: ["token": "\(id)", "code": "\(refusal.problem.code.rawValue)"])
            }
            guard refusal.problem.status == 401, request.preferHTML || PageRoutes.isPage(context.endpointPath) else {
                throw refusal
            }
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

    /// A browser sends some changing requests for any page that its user looks at, with the user's password, or to a server
    /// on loopback that wants none. It says so: no other client has these fields (Fetch Metadata; RFC 6454).
    private static func refuseOtherSites(_ request: Request) throws {
        guard request.method != .get, request.method != .head else { return }
        let site = HTTPField.Name("Sec-Fetch-Site").flatMap { request.headers[$0] }
        let isOwnSite = site.map { $0 == "same-origin" || $0 == "none" } ?? true
        let origin = request.headers[.origin]
        let isOwnOrigin =
            origin.map { $0.split(separator: "/").last.map(String.init) == request.head.authority } ?? true
        guard isOwnSite, isOwnOrigin else {
            throw Problem(
                .crossSite, "A page of another site has your browser ask for this. Ask for it with kheader or curl.")
        }
    }
}
