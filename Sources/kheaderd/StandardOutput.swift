import Glibc
import HeaderServer
import Logging

/// stdout without a buffer: what is written is there for whoever waits for it.
enum StandardOutput {
    static func write(_ text: String, to descriptor: CInt = STDOUT_FILENO) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody reads it (a closed pipe): a server goes on.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

extension Logger {
    /// A logger on stderr: stdout is for data.
    static func toStandardError(level: Logger.Level, format: LogFormat = .text) -> Logger {
        var logger = Logger(label: "kheaderd") { label -> any LogHandler in
            switch format {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler { StandardOutput.write($0, to: STDERR_FILENO) }
            }
        }
        logger.logLevel = level
        return logger
    }
}
