import FoundationEssentials
public import Logging

/// A log for programs: each line is a JSON object with `time` (ISO 8601), `level`, `message`, and the metadata as
/// further members, `hb.request.id` among them.
public struct JSONLogHandler: LogHandler {
    public var logLevel = Logger.Level.info
    public var metadata: Logger.Metadata = [:]
    private let put: @Sendable (String) -> Void

    /// - Parameter put: takes a line with its end.
    public init(put: @escaping @Sendable (String) -> Void) { self.put = put }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        var members = all.mapValues { "\($0)" }
        members["time"] = Date.now.formatted(.iso8601)
        members["level"] = event.level.rawValue
        members["message"] = "\(event.message)"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings always have a JSON form.
        guard let line = try? encoder.encode(members) else { return }
        put(String(decoding: line, as: UTF8.self) + "\n")
    }
}
