import FoundationEssentials
import HTTPTypes
import HeaderArchive
import Hummingbird
import KernelHeaders
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Makes every refusal a problem document (RFC 9457), or a page if a browser asked, Hummingbird's own included, and gives
/// every answer its request ID.
struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
    /// The router's routes, filled in when it is complete: what methods a path has is not known before.
    let routes: RouteTable

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let refusal as Refusal {
            response = try answer(refusal.problem, request, context)
            response.headers.append(contentsOf: refusal.fields)
        } catch let error as HTTPError where error.status == .notFound {
            response = try answerUnknownRoute(request, context)
        } catch {
            response = try answer(problem(error, context.logger), request, context)
        }
        response.headers.append(HTTPField(name: .requestID, value: context.id))
        response.headers.append(contentsOf: HTTPFields.ofEveryAnswer)
        return response
    }

    private func answerUnknownRoute(_ request: Request, _ context: Context) throws -> Response {
        let methods = routes.methods(of: request.uri.path)
        guard !methods.isEmpty else {
            return try answer(
                Problem(
                    .routeUnknown,
                    "There is nothing at this path. /openapi.yaml lists what there is."),
                request,
                context)
        }
        let allow = methods.map(\.rawValue).sorted().joined(separator: ", ")
        let problem = Problem(.methodNotAllowed, "This path takes \(allow), not \(request.method.rawValue).")
        var response = try answer(problem, request, context)
        response.headers[.allow] = allow
        return response
    }

    private func answer(_ problem: Problem, _ request: Request, _ context: Context) throws -> Response {
        var problem = problem
        problem.requestID = context.id
        let status = HTTPResponse.Status(code: problem.status)
        var response: Response
        if request.preferHTML {
            response = .page(ProblemView(problem), status: status, to: request.method)
        } else {
            let (headers, body) = problem.document
            response = Response(
                status: status, headers: headers,
                body: request.method == .head ? .init() : .init(byteBuffer: body))
        }
        response.headers[.cacheControl] = "no-store"
        // The rest of a refused body is of no use: let go of it, and of the connection it comes through.
        if request.method != .get, request.method != .head { response.headers[.connection] = "close" }
        return response
    }

    private func problem(_ error: any Error, _ logger: Logger) -> Problem {
        switch error {
        case let problem as Problem:
            // Who asks whether the server is ready asks every few seconds.
            if problem.status >= 500, problem.status != 503 {
                logger.error(
                    "request failed", metadata: ["code": "\(problem.code.rawValue)", "detail": "\(problem.detail)"])
            }
            return problem
        case let error as SystemCallError where error.isDiskFull:
            logger.error("disk full", metadata: ["error": "\(error)"])
            return Problem(.diskFull, "The server's disk is full. Tell its operator; try again later.")
        case HTTPParserError.invalidEOFState, is ChannelError, is IOError:
            // The client went away; nobody here has to know.
            return Problem(.uploadIncomplete, "The connection ended before the request did. Send it again.")
        case let error as HTTPParserError:
            return Problem(.requestMalformed, "The request's body is malformed: \(error).")
        case let error as HTTPError:
            return Problem(
                error.status == .contentTooLarge ? .uploadTooLarge : .requestMalformed,
                error.body ?? "The request was not understood (\(error.status)).")
        default:
            // What went wrong inside is for the log; it may name files or queries.
            logger.error("request failed", metadata: ["error": "\(error)"])
            return Problem(
                .internalError, "Something went wrong in the server. Its log has the reason, under this request's ID.")
        }
    }
}

extension Problem {
    /// As it is sent.
    var document: (headers: HTTPFields, body: ByteBuffer) {
        let body = ByteBuffer(bytes: json)
        let headers: HTTPFields = [
            .contentType: Self.mediaType, .contentLength: String(body.readableBytes), .cacheControl: "no-store",
        ]
        return (headers, body)
    }
}

extension HTTPFields {
    /// What every answer has, beside its request's ID.
    static let ofEveryAnswer: HTTPFields = [
        // What hosts uploaded is no page, whatever a browser makes of its first bytes.
        .xContentTypeOptions: "nosniff"
    ]
}

/// The routes of the router, to tell an unknown path from a method that a path does not take.
final class RouteTable: Sendable {
    private let routes = Mutex<[(path: RouterPath, method: HTTPRequest.Method)]>([])

    func fill(_ routes: [(path: RouterPath, method: HTTPRequest.Method)]) { self.routes.withLock { $0 = routes } }

    func methods(of path: String) -> Set<HTTPRequest.Method> {
        let components = path.split(separator: "/")
        return routes.withLock { routes in
            Set(routes.filter { Self.matches($0.path, components) }.map(\.method))
        }
    }

    private static func matches(_ path: RouterPath, _ components: [Substring]) -> Bool {
        for (index, element) in path.enumerated() {
            if element == .recursiveWildcard { return components.count > index }
            guard index < components.count, element ~= components[index] else { return false }
        }
        return path.count == components.count
    }
}
