import Logging
import Synchronization

/// What is logged, for a test to look at.
final class CollectedLog: Sendable {
    private let all = Mutex<[(message: String, metadata: Logger.Metadata)]>([])

    var lines: [(message: String, metadata: Logger.Metadata)] { all.withLock { $0 } }

    /// A logger whose lines come here, from the level `info` on.
    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: CollectedLog
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            log.all.withLock { $0.append(("\(event.message)", all)) }
        }
    }
}
