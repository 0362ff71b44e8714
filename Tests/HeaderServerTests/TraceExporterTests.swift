import Logging
import Synchronization
import Testing
import Tracing

@testable import HeaderServer

@Suite struct TraceExporterTests {
    private struct Away: Error {}

    /// What a collector was sent, and whether it is there.
    private final class Collector: Sendable {
        let documents = Mutex<[String]>([])
        let isAway = Mutex(false)

        func take(_ document: [UInt8]) throws {
            if isAway.withLock({ $0 }) { throw Away() }
            documents.withLock { $0.append(String(decoding: document, as: UTF8.self)) }
        }

        /// How many spans each document has.
        var counts: [Int] {
            documents.withLock { $0.map { $0.split(separator: #""spanId""#).count - 1 } }
        }
    }

    private let collector = Collector()
    private let log = CollectedLog()
    private let exporter: TraceExporter

    init() {
        exporter = TraceExporter(logger: log.logger) { [collector] in try collector.take($0) }
    }

    /// What the exporter said, and how many spans it said were lost.
    private var lines: [String] { log.lines.map { "\($0.message) \($0.metadata["lost"] ?? "")" } }

    private func make(_ count: Int) {
        let tracer = ServerTracer(exporter: exporter)
        for _ in 0..<count { tracer.startSpan("x").end() }
    }

    @Test func spansAreSentSomeAtATime() async {
        make(TraceExporter.batch + 1)
        await exporter.flush()
        #expect(collector.counts == [TraceExporter.batch, 1])
        await exporter.flush()
        #expect(collector.counts.count == 2 && lines.isEmpty)
    }

    @Test func moreThanMayWaitAreLost() async {
        make(TraceExporter.capacity + 3)
        await exporter.flush()
        #expect(collector.counts.reduce(0, +) == TraceExporter.capacity)
        #expect(lines == ["spans are exported again 3"])
    }

    @Test func aCollectorThatIsAwayIsToldOfOnce() async {
        collector.isAway.withLock { $0 = true }
        for _ in 0..<3 {
            make(2)
            await exporter.flush()
        }
        #expect(lines == ["spans can't be exported "])
        collector.isAway.withLock { $0 = false }
        make(1)
        await exporter.flush()
        #expect(lines.last == "spans are exported again 6" && collector.counts == [1])
    }

    @Test func aSpanEndsOnce() async {
        let span = ServerTracer(exporter: exporter).startSpan("x")
        span.end()
        span.attributes["late"] = "x"
        span.end()
        #expect(!span.isRecording)
        await exporter.flush()
        #expect(collector.counts == [1])
    }

    /// An error may have much to say, and many may come.
    @Test func whatASpanSaysIsBounded() async {
        struct Long: Error, CustomStringConvertible { let description = String(repeating: "x", count: 5000) }
        let span = ServerTracer(exporter: exporter).startSpan("x")
        for _ in 0...SpanRecord.maximumEvents { span.recordError(Long()) }
        span.end()
        await exporter.flush()
        let text = collector.documents.withLock { $0.joined() }
        #expect(text.split(separator: #""exception.message""#).count == SpanRecord.maximumEvents + 1)
        #expect(text.utf8.count < SpanRecord.maximumEvents * (SpanRecord.maximumMessage + 500))
    }

    @Test func someOfTheTracesThatBeginHereAreRecorded() async {
        let rare = ServerTracer(exporter: exporter, oneIn: .max)
        for _ in 0..<100 { rare.startSpan("x", context: .topLevel).end() }
        var parent = ServiceContext.topLevel
        parent.trace = TraceContext(traceparent: "00-\(Self.traceID)-00000000000000a1-01")
        rare.startSpan("x", context: parent).end()
        await exporter.flush()
        #expect(collector.counts == [1])
    }

    @Test func withoutACollectorATraceGoesOnNevertheless() {
        let tracer = ServerTracer(exporter: nil)
        #expect(tracer.startSpan("x", context: .topLevel).context.trace == nil)
        var parent = ServiceContext.topLevel
        parent.trace = TraceContext(traceparent: "00-\(Self.traceID)-00000000000000a1-01")
        let span = tracer.startSpan("x", context: parent)
        #expect(span.context.trace?.traceID == Self.traceID && span.context.trace?.spanID != "00000000000000a1")
        #expect(!span.isRecording)
    }

    private static let traceID = "0af7651916cd43dd8448eb211c80319c"

    @Test(arguments: [
        "", "00", "00-\(traceID)-b7ad6b7169203331", "00-\(traceID)-b7ad6b7169203331-01-x",
        "ff-\(traceID)-b7ad6b7169203331-01", "0x-\(traceID)-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-\(traceID)-0000000000000000-01",
        "00-\(traceID.uppercased())-b7ad6b7169203331-01", "00-\(traceID)0-b7ad6b7169203331-01",
        "00-\(traceID)-b7ad6b7169203331-0g",
    ])
    func aMalformedTraceparentCountsAsNone(_ text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test func traceparents() throws {
        let text = "00-\(Self.traceID)-b7ad6b7169203331-01"
        let trace = try #require(TraceContext(traceparent: text))
        #expect(trace.traceparent == text && trace.isSampled)
        #expect(TraceContext(traceparent: "cc-\(Self.traceID)-b7ad6b7169203331-00-more")?.isSampled == false)
        let child = TraceContext(parent: trace, isSampled: false)
        #expect(child.traceID == trace.traceID && child.spanID != trace.spanID)
        #expect(TraceContext(traceparent: child.traceparent) == child)
    }
}
