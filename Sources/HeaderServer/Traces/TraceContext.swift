import Tracing

/// Of which trace a span is part, as W3C's Trace Context has it in the field `traceparent`:
/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
struct TraceContext: Sendable, Equatable {
    static let fieldName = "traceparent"

    /// 32 lower-case hexadecimal digits, not all of them 0.
    let traceID: String
    /// 16 of them.
    let spanID: String
    /// Whether its spans are recorded.
    let isSampled: Bool

    /// The field's value; nil for one that is malformed, which counts as none.
    init?(traceparent text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, let version = Self.digits(parts[0], 2), version != "ff",
            // Later versions may have more to say.
            version != "00" || parts.count == 4, let traceID = Self.digits(parts[1], 32),
            let spanID = Self.digits(parts[2], 16), let flags = Self.digits(parts[3], 2),
            traceID.contains(where: { $0 != "0" }), spanID.contains(where: { $0 != "0" })
        else { return nil }
        self.traceID = traceID
        self.spanID = spanID
        isSampled = (UInt8(flags, radix: 16) ?? 0) & 1 == 1
    }

    /// A new span of a trace, or of a new one.
    init(parent: TraceContext?, isSampled: Bool) {
        traceID = parent?.traceID ?? Self.random() + Self.random()
        spanID = Self.random()
        self.isSampled = isSampled
    }

    var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    /// 16 digits, never all 0.
    private static func random() -> String {
        let text = String(UInt64.random(in: 1 ... .max), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    private static func digits(_ text: Substring, _ count: Int) -> String? {
        guard text.utf8.count == count,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return String(text)
    }
}

extension ServiceContext {
    private enum Key: ServiceContextKey { typealias Value = TraceContext }

    var trace: TraceContext? {
        get { self[Key.self] }
        set { self[Key.self] = newValue }
    }
}
