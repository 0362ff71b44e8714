import HTTPTypes
import Hummingbird
import Logging
import Tracing

/// A span for every request, from its head to the last byte of its answer, with the attributes of OpenTelemetry's
/// conventions; lines in the log have its trace. It stands around all else.
///
/// Not Hummingbird's own: that has paths in its attributes, and who knows an upload's may write to it.
struct SpanMiddleware: RouterMiddleware {
    typealias Context = ServerRequestContext

    /// Asked every few seconds by machines.
    private static let untraced: Set = ["/livez", "/readyz", "/metrics"]
    /// Any other word is the client's own, of which there may be many.
    private static let methods: Set<HTTPRequest.Method> = [
        .get, .head, .post, .put, .delete, .connect, .options, .trace, .patch,
    ]

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        if let route = context.endpointPath, Self.untraced.contains(route) { return try await next(request, context) }
        var parent = ServiceContext.topLevel
        InstrumentationSystem.instrument.extract(request.headers, into: &parent, using: FieldExtractor())
        let method = Self.methods.contains(request.method) ? request.method.rawValue : nil
        let name = [method ?? "HTTP", context.endpointPath].compactMap(\.self).joined(separator: " ")
        let span = RequestSpan(startSpan(name, context: parent, ofKind: .server))
        var context = context
        if let trace = span.context.trace {
            context.logger[metadataKey: "trace_id"] = "\(trace.traceID)"
            context.logger[metadataKey: "span_id"] = "\(trace.spanID)"
        }
        span.set { attributes in
            attributes["http.request.method"] = method ?? "_OTHER"
            attributes["http.route"] = context.endpointPath
            attributes["url.scheme"] = "http"
        }
        do {
            var response = try await ServiceContext.withValue(span.context) { [context] in
                try await next(request, context)
            }
            let code = response.status.code
            span.set { attributes in
                attributes["http.response.status_code"] = code
                // By which the log and the answer call it.
                attributes["kheaderd.request_id"] = response.headers[.requestID]
            }
            if code >= 500 { span.fail("\(code)") }
            guard span.isRecording else { return response }
            let body = response.body
            response.body = ResponseBody(contentLength: body.contentLength) { writer in
                do {
                    try await body.write(writer)
                } catch {
                    span.fail("\(type(of: error))")
                    span.end()
                    throw error
                }
                span.end()
            }
            return response
        } catch {
            span.fail("\(type(of: error))")
            throw error
        }
    }
}

/// Ends when it is told to, else with the answer that nobody sends.
private final class RequestSpan: Sendable {
    private let span: any Span

    init(_ span: any Span) { self.span = span }

    deinit { span.end() }

    /// Once is enough.
    func end() { span.end() }

    var context: ServiceContext { span.context }
    var isRecording: Bool { span.isRecording }

    func set(_ change: (inout SpanAttributes) -> Void) { if span.isRecording { span.updateAttributes(change) } }

    func fail(_ type: String) {
        set { $0["error.type"] = type }
        span.setStatus(SpanStatus(code: .error))
    }
}

private struct FieldExtractor: Extractor {
    func extract(key: String, from fields: HTTPFields) -> String? { HTTPField.Name(key).flatMap { fields[$0] } }
}
