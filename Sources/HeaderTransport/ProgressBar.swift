internal import Dispatch
internal import Glibc
internal import Synchronization

/// Shows on a terminal how far a piece of work is, once it has taken a second; nothing at all elsewhere.
///
/// It redraws by its own clock, so that a standstill shows as one. ``finish()`` takes it off the screen.
public final class ProgressBar: Sendable {
    private let line: Mutex<ProgressLine>
    private let start = ContinuousClock.now
    // Dispatch's objects may be used from any thread; they are only not marked so.
    private nonisolated(unsafe) let timer: (any DispatchSourceTimer)?

    /// - Parameter label: what is done, such as `Fetching`.
    public init(_ label: String) {
        line = Mutex(ProgressLine(label: Console.printable(label)))
        guard Console.errorIsTerminal else {
            timer = nil
            return
        }
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "kheader.progress"))
        self.timer = timer
        timer.setEventHandler { [weak self] in self?.draw() }
        timer.schedule(deadline: .now() + .seconds(1), repeating: .milliseconds(200))
        timer.activate()
    }

    deinit { timer?.cancel() }

    /// - Parameters:
    ///   - done: bytes.
    ///   - total: all of them, if that is known.
    public func update(_ done: Int, of total: Int?) {
        line.withLock {
            $0.done = done
            $0.total = total
        }
    }

    /// - Parameter label: what is done now; how far is not known yet.
    public func update(_ label: String) {
        line.withLock { line in
            // Once finished, it stays off the screen.
            guard !line.label.isEmpty else { return }
            line.label = Console.printable(label)
            line.done = 0
            line.total = nil
        }
    }

    /// Ends the work, and takes the bar off the screen.
    public func finish() {
        guard let timer else { return }
        timer.cancel()
        // Under the lock, so that no drawing comes after it.
        line.withLock { line in
            line.label = ""
            if isShown { Self.write("\r\u{1B}[K") }
        }
    }

    /// Runs work under a bar.
    public static func show<Value>(
        _ label: String, isolation: isolated (any Actor)? = #isolation, _ work: (ProgressBar) async throws -> Value
    ) async rethrows -> Value {
        let bar = ProgressBar(label)
        defer { bar.finish() }
        return try await work(bar)
    }

    private var isShown: Bool { ContinuousClock.now - start >= .seconds(1) }

    private func draw() {
        line.withLock { line in
            guard !line.label.isEmpty else { return }
            line.elapsed = ContinuousClock.now - start
            Self.write("\r" + line.text(width: Console.columns) + "\u{1B}[K")
        }
    }

    private static func write(_ text: String) {
        var text = text
        try? text.withUTF8 { try Console.write($0, to: STDERR_FILENO) }
    }
}
