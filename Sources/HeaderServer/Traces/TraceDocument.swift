import KernelHeaders
import Tracing

/// Spans as OpenTelemetry's protocol has them in JSON (OTLP 1, `ExportTraceServiceRequest`): IDs are hexadecimal, 64-bit
/// numbers are strings.
struct TraceDocument: Encodable {
    struct Value: Encodable {
        var stringValue: String?
        var intValue: String?
        var boolValue: Bool?
        var doubleValue: Double?

        init(_ attribute: SpanAttribute) {
            switch attribute {
            case .string(let value): stringValue = value
            case .int32(let value): intValue = "\(value)"
            case .int64(let value): intValue = "\(value)"
            case .bool(let value): boolValue = value
            case .double(let value) where value.isFinite: doubleValue = value
            case .stringConvertible(let value): stringValue = "\(value)"
            default: stringValue = "\(attribute)"
            }
        }
    }

    struct Attribute: Encodable {
        let key: String
        let value: Value

        static func list(_ attributes: SpanAttributes) -> [Attribute] {
            var list: [Attribute] = []
            attributes.forEach { list.append(Attribute(key: $0, value: Value($1))) }
            return list.sorted { $0.key < $1.key }
        }
    }

    struct Event: Encodable {
        let timeUnixNano, name: String
        let attributes: [Attribute]
    }

    struct Status: Encodable {
        let code: Int
        let message: String?
    }

    struct Span: Encodable {
        let traceId, spanId: String
        let parentSpanId: String?
        let name: String
        let kind: Int
        let startTimeUnixNano, endTimeUnixNano: String
        let attributes: [Attribute]
        let events: [Event]
        let status: Status

        init(_ span: SpanRecord) {
            (traceId, spanId, parentSpanId) = (span.trace.traceID, span.trace.spanID, span.parent)
            name = span.name
            kind =
                switch span.kind {
                case .internal: 1
                case .server: 2
                case .client: 3
                case .producer: 4
                case .consumer: 5
                }
            (startTimeUnixNano, endTimeUnixNano) = ("\(span.start)", "\(span.end)")
            attributes = Attribute.list(span.attributes)
            events = span.events.map {
                Event(
                    timeUnixNano: "\($0.nanosecondsSinceEpoch)", name: $0.name,
                    attributes: Attribute.list($0.attributes))
            }
            let code =
                switch span.status?.code {
                case nil: 0
                case .ok: 1
                case .error: 2
                }
            status = Status(code: code, message: span.status?.message)
        }
    }

    struct Scope: Encodable {
        let name, version: String
    }

    struct ScopeSpans: Encodable {
        let scope: Scope
        let spans: [Span]
    }

    struct Resource: Encodable {
        let attributes: [Attribute]
    }

    struct ResourceSpans: Encodable {
        let resource: Resource
        let scopeSpans: [ScopeSpans]
    }

    let resourceSpans: [ResourceSpans]

    init(_ spans: [SpanRecord]) {
        let resource = Resource(
            attributes: Attribute.list([
                "service.name": "kheaderd", "service.version": .string(ReleaseVersion.current),
            ]))
        let scope = Scope(name: "kheaderd", version: ReleaseVersion.current)
        resourceSpans = [
            ResourceSpans(
                resource: resource, scopeSpans: [ScopeSpans(scope: scope, spans: spans.map { Span($0) })])
        ]
    }
}
