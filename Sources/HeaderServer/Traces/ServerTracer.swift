import Synchronization
public import Tracing

/// The tracer of `kheaderd serve`: requests that come with a `traceparent` go on with its trace, and all that is sampled goes
/// to an exporter. Without one there are spans for such requests only, so that the log has their trace.
public struct ServerTracer: Tracer {
    private let exporter: TraceExporter?
    private let oneIn: Int

    /// - Parameters:
    ///   - exporter: nil for none.
    ///   - oneIn: of so many traces that begin here, one is recorded; none with the largest number. Of others it counts what
    ///     they say themselves.
    public init(exporter: TraceExporter?, oneIn: Int = 1) {
        self.exporter = exporter
        self.oneIn = oneIn
    }

    /// Whether there are spans of what comes without a trace, in this process.
    static var recordsAll: Bool {
        let tracer = InstrumentationSystem.tracer
        guard let own = tracer as? ServerTracer else { return !(tracer is NoOpTracer) }
        return own.exporter != nil && own.oneIn != .max
    }

    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> ServerSpan {
        var context = context()
        let parent = context.trace
        guard exporter != nil || parent != nil else { return ServerSpan(context: context) }
        let isSampled = parent?.isSampled ?? (oneIn == 1 || (oneIn != .max && Int.random(in: 1...oneIn) == 1))
        let trace = TraceContext(parent: parent, isSampled: isSampled)
        context.trace = trace
        guard let exporter, isSampled else { return ServerSpan(context: context) }
        let record = SpanRecord(
            trace: trace, parent: parent?.spanID, name: operationName, kind: kind,
            start: instant().nanosecondsSinceEpoch)
        return ServerSpan(context: context, record: record, exporter: exporter)
    }

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        let text = extractor.extract(key: TraceContext.fieldName, from: carrier)
        if let trace = text.flatMap({ TraceContext(traceparent: $0) }) { context.trace = trace }
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.trace else { return }
        injector.inject(trace.traceparent, forKey: TraceContext.fieldName, into: &carrier)
    }

    @available(*, deprecated)
    public func forceFlush() {}
}

/// A span of ``ServerTracer``. One that nobody will see keeps nothing.
public final class ServerSpan: Span {
    public let context: ServiceContext
    private let record: Mutex<SpanRecord?>
    private let exporter: TraceExporter?

    init(context: ServiceContext, record: SpanRecord? = nil, exporter: TraceExporter? = nil) {
        self.context = context
        self.record = Mutex(record)
        self.exporter = exporter
    }

    public var isRecording: Bool { record.withLock { $0 != nil } }

    public var operationName: String {
        get { record.withLock { $0?.name } ?? "" }
        set { record.withLock { $0?.name = newValue } }
    }

    public var attributes: SpanAttributes {
        get { record.withLock { $0?.attributes } ?? [:] }
        set { record.withLock { $0?.attributes = newValue } }
    }

    public func setStatus(_ status: SpanStatus) { record.withLock { $0?.status = status } }

    public func addEvent(_ event: SpanEvent) { record.withLock { $0?.add(event) } }

    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        guard isRecording else { return }
        var all: SpanAttributes = [
            "exception.type": "\(type(of: error))",
            "exception.message": .string(String("\(error)".prefix(SpanRecord.maximumMessage))),
        ]
        all.merge(attributes)
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: all))
    }

    /// The server's spans have a parent each, and no other relatives.
    public func addLink(_ link: SpanLink) {}

    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard var ended = record.withLock({ $0.take() }) else { return }
        ended.end = instant().nanosecondsSinceEpoch
        exporter?.take(ended)
    }
}
