internal import Dispatch
internal import Glibc
internal import HeaderArchive
internal import Synchronization

/// The life of a command-line program: its work, its exit code, its last words, and what a signal does to it.
public enum CommandProcess {
    private static let watch = Mutex<SignalWatch?>(nil)

    /// Leaves signals to handlers of the work's own, which it has set up before: Dispatch takes signals even from these. One
    /// that has come until now has cancelled the work.
    package static func stopWatchingSignals() async {
        await watch.withLock { $0 }?.stop()
    }

    /// Runs the work and ends the process.
    ///
    /// SIGINT, SIGTERM and SIGHUP cancel the work, which cleans up behind itself; then the process dies of that signal,
    /// as a shell expects.
    ///
    /// - Parameters:
    ///   - program: begins each error message.
    ///   - explain: what the argument parser says to an error, and its exit code: 0 for a help text, 64 (`EX_USAGE`)
    ///     for a mistake on the command line.
    ///   - work: parses the arguments and does what they say.
    public static func run(
        _ program: String, explain: @Sendable (any Error) -> (text: String, code: Int32),
        _ work: @escaping @Sendable () async throws -> Void
    ) async -> Never {
        let task = Task { try await work() }
        let watch = SignalWatch([SIGINT, SIGTERM, SIGHUP]) { task.cancel() }
        self.watch.withLock { $0 = watch }
        let result = await task.result
        if case .failure = result { watch.dieIfSignalled() }
        end(program, result, explain: explain)
    }

    /// Ends the process as its work ended.
    ///
    /// - Parameters: as for ``run(_:explain:_:)``.
    public static func end(
        _ program: String, _ result: Result<Void, any Error>,
        explain: (any Error) -> (text: String, code: Int32)
    ) -> Never {
        guard case .failure(let error) = result else { leave(ExitStatus.done.rawValue) }
        // `kheader kernels list | head`: the reader has what it wanted.
        if let error = error as? SystemCallError, error.number == EPIPE { leave(ExitStatus.failed.rawValue) }
        let (text, code) = explain(error)
        switch code {
        case 0:
            try? Console.put(text)
            leave(ExitStatus.done.rawValue)
        case EX_USAGE:
            Console.say(text)
            leave(ExitStatus.usage.rawValue)
        default:
            Console.say("\(program): \(error)")
            leave(ExitStatus(error).rawValue)
        }
    }

    /// Without the exit handlers: those of OpenSSL, which libcurl brings, free its tables one by one.
    private static func leave(_ status: Int32) -> Never {
        fflush(nil)
        _exit(status)
    }
}

/// Turns signals into a call, for as long as it lives.
private final class SignalWatch: Sendable {
    private let received: Received
    // Dispatch's objects may be used from any thread; they are only not marked so.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    private final class Received: Sendable {
        let number = Atomic<CInt>(0)
    }

    init(_ numbers: [CInt], _ onSignal: @escaping @Sendable () -> Void) {
        let received = Received()
        self.received = received
        // Who started us with a signal ignored (nohup) wants it to stay ignored.
        sources = numbers.filter { !InheritedSignals.isIgnored($0) }.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                received.number.store(number, ordering: .sequentiallyConsistent)
                onSignal()
            }
            source.activate()
            return source
        }
    }

    /// Returns when Dispatch takes no more of the signals.
    func stop() async {
        for source in sources where !source.isCancelled {
            await withCheckedContinuation { continuation in
                source.setCancelHandler { continuation.resume() }
                source.cancel()
            }
        }
    }

    func dieIfSignalled() {
        let number = received.number.load(ordering: .sequentiallyConsistent)
        if number != 0 { InheritedSignals.die(of: number) }
    }
}
