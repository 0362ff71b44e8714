internal import Glibc
internal import HeaderTransport

/// Lines on standard error, for people and for journald.
public struct AgentLog: Sendable {
    /// How much a line matters, with the number that `syslog(3)` gives it.
    public enum Level: Int, Sendable, Comparable {
        case error = 3
        case warning = 4
        case notice = 5
        case info = 6
        case debug = 7

        public static func < (one: Level, other: Level) -> Bool { one.rawValue < other.rawValue }
    }

    private let least: Level
    private let write: @Sendable (Level, String) -> Void

    /// - Parameters:
    ///   - least: what matters less is not written.
    ///   - write: gets the lines.
    public init(least: Level = .info, _ write: @escaping @Sendable (Level, String) -> Void) {
        self.least = least
        self.write = write
    }

    /// To standard error: with `<6>` before a line where journald reads it (`sd-daemon(3)`), else with the program's name.
    public static func standardError(least: Level) -> AgentLog {
        let isJournal = Self.journalReads(STDERR_FILENO)
        return AgentLog(least: least) { level, line in
            Console.say(isJournal ? "<\(level.rawValue)>\(line)" : "kheader-agent: \(line)")
        }
    }

    public func callAsFunction(_ level: Level, _ line: String, _ detail: String? = nil) {
        guard level <= least else { return }
        // One line each, whatever a server or a file name says.
        write(level, Console.printable(detail.map { "\(line): \($0)" } ?? line, lineEnd: " "))
    }

    /// Whether the descriptor is the one that systemd has connected with the journal (`$JOURNAL_STREAM`).
    private static func journalReads(_ descriptor: CInt) -> Bool {
        var status = stat()
        guard let stream = getenv("JOURNAL_STREAM"), fstat(descriptor, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }
}
