import Tracing

/// What is known of a span that is going to be exported. Times are nanoseconds since 1970.
struct SpanRecord: Sendable {
    /// Characters of an error's description that are kept.
    static let maximumMessage = 1024
    /// Events that are kept.
    static let maximumEvents = 32

    let trace: TraceContext
    let parent: String?
    var name: String
    let kind: SpanKind
    let start: UInt64
    var end: UInt64 = 0
    var attributes: SpanAttributes = [:]
    var status: SpanStatus?
    private(set) var events: [SpanEvent] = []

    init(trace: TraceContext, parent: String?, name: String, kind: SpanKind, start: UInt64) {
        (self.trace, self.parent, self.name, self.kind, self.start) = (trace, parent, name, kind, start)
    }

    mutating func add(_ event: SpanEvent) { if events.count < Self.maximumEvents { events.append(event) } }
}
