/// Where spans go.
public struct TraceOptions: Sendable, Equatable {
    /// The URL to which an OpenTelemetry collector takes them, as `http://127.0.0.1:4318/v1/traces`; nil for nowhere.
    public var collector: String?
    /// Of so many traces that begin here, one is recorded. Of others it counts what they say themselves (`traceparent`).
    public var oneIn = 1

    public init() {}
}
