import FoundationEssentials
import HeaderServer
import Logging
import Synchronization
import Tracing

/// The tracer of this process, which can have one only: tests tell their own spans by their trace.
enum TestTracer {
    private static let collected = Mutex<[JSONValue]>([])

    /// Takes the spans of all requests with a sampled `traceparent`. Of others there are more than may wait.
    static let exporter: TraceExporter = {
        let exporter = TraceExporter(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) { document in
            let document = try JSONDecoder().decode(JSONValue.self, from: Data(document))
            let resource = document["resourceSpans"]?.items.first
            let spans = resource?["scopeSpans"]?.items.first?["spans"]?.items ?? []
            guard resource?["resource"]?.attribute("service.name") == "kheaderd" else { return }
            collected.withLock { $0 += spans }
        }
        InstrumentationSystem.bootstrap(ServerTracer(exporter: exporter, oneIn: .max))
        return exporter
    }()

    /// Those of a trace that have ended, in the order of their starts.
    static func spans(ofTrace id: String) async -> [JSONValue] {
        await exporter.flush()
        return collected.withLock { $0.filter { $0["traceId"]?.string == id } }
            .sorted { ($0["startTimeUnixNano"]?.string ?? "") < ($1["startTimeUnixNano"]?.string ?? "") }
    }
}

extension JSONValue {
    /// An attribute of a span or a resource, as text.
    func attribute(_ name: String) -> String? {
        let value = self["attributes"]?.items.first { $0["key"]?.string == name }?["value"]
        return value?["stringValue"]?.string ?? value?["intValue"]?.string
    }
}
