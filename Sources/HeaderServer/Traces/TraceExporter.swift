public import Logging
import Synchronization

/// Gives spans to an OpenTelemetry collector, as OTLP has them in JSON (``TraceDocument``), some at a time. What a collector
/// does not take is lost, and so is what comes faster than it is sent: requests never wait for it.
public final class TraceExporter: Sendable {
    /// Spans that may wait, and spans that are sent in one request: OpenTelemetry's own defaults.
    static let capacity = 2048
    static let batch = 512
    private static let pause = Duration.seconds(1)

    private struct State {
        var waiting: [SpanRecord] = []
        var lost = 0
        var isFailing = false
    }

    private let send: @Sendable ([UInt8]) async throws -> Void
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameter send: sends a document to the collector, and throws if that does not take it.
    public init(logger: Logger, send: @escaping @Sendable ([UInt8]) async throws -> Void) {
        self.logger = logger
        self.send = send
    }

    func take(_ span: SpanRecord) {
        state.withLock { state in
            if state.waiting.count < Self.capacity { state.waiting.append(span) } else { state.lost += 1 }
        }
    }

    /// Sends what comes, until the task is cancelled; ``flush()`` then sends the rest.
    public func run() async {
        while (try? await Task.sleep(for: Self.pause)) != nil { await flush() }
    }

    /// Sends what waits now.
    public func flush() async {
        for _ in 0..<(Self.capacity / Self.batch) {
            let spans = next()
            guard !spans.isEmpty else { return }
            do {
                try await send(try JSON.encode(TraceDocument(spans)))
                ended(nil, lost: 0)
            } catch {
                ended(error, lost: spans.count)
            }
        }
    }

    private func next() -> [SpanRecord] {
        state.withLock { state in
            defer { state.waiting.removeFirst(min(Self.batch, state.waiting.count)) }
            return Array(state.waiting.prefix(Self.batch))
        }
    }

    /// Says in the log when spans begin to get lost, and when they no longer do.
    private func ended(_ error: (any Error)?, lost: Int) {
        let (all, wasFailing) = state.withLock { state in
            state.lost += lost
            defer {
                state.isFailing = error != nil
                if error == nil { state.lost = 0 }
            }
            return (state.lost, state.isFailing)
        }
        if let error {
            guard !wasFailing else { return }
            logger.warning("spans can't be exported", metadata: ["error": "\(error)"])
        } else if wasFailing || all > 0 {
            logger.notice("spans are exported again", metadata: ["lost": "\(all)"])
        }
    }
}
