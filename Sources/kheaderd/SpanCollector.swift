import AsyncHTTPClient
import HeaderServer
import Logging
import NIOCore
import NIOHTTP1
import Tracing

/// The OpenTelemetry collector that a server's spans go to.
struct SpanCollector {
    /// A document that the collector did not take.
    struct Refusal: Error, CustomStringConvertible {
        let status: UInt
        var description: String { "the collector answered \(status)" }
    }

    /// Has spans made, and runs the server with them.
    ///
    /// - Throws: what the server throws.
    static func with(_ options: TraceOptions, logger: Logger, _ serve: () async throws -> Void) async throws {
        guard let url = options.collector else {
            InstrumentationSystem.bootstrap(ServerTracer(exporter: nil))
            return try await serve()
        }
        var configuration = HTTPClient.Configuration()
        // To send spans must not make spans.
        configuration.tracing.tracer = nil
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let exporter = TraceExporter(logger: logger) { document in
            var request = HTTPClientRequest(url: url)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(document)
            let answer = try await client.execute(request, timeout: .seconds(10))
            // So that the connection can be used again.
            _ = try await answer.body.collect(upTo: 1 << 20)
            guard (200...299).contains(answer.status.code) else { throw Refusal(status: answer.status.code) }
        }
        InstrumentationSystem.bootstrap(ServerTracer(exporter: exporter, oneIn: options.oneIn))
        let exports = Task { await exporter.run() }
        let result = await Result.catching(serve)
        exports.cancel()
        await exports.value
        await exporter.flush()
        try await client.shutdown()
        try result.get()
    }
}
