internal import Dispatch
// `environ` is a variable of C's, which nothing here changes while it is read.
@preconcurrency internal import Glibc
internal import HeaderArchive
public import HeaderTransport
internal import Synchronization

/// A tool that runs beside this process, which looks at what its compiler complains of, passes signals on to it, and ends as
/// it does.
///
/// The tool stays in this process's group: the terminal's signals and its job control reach both.
public struct SupervisedTool: Sendable {
    /// How a tool ended.
    public enum End: Sendable, Equatable {
        case exited(CInt)
        case died(signal: CInt)

        /// Whether a compiler in it may have crashed.
        var isCrash: Bool {
            if case .died(let signal) = self { [SIGSEGV, SIGABRT, SIGBUS, SIGILL].contains(signal) } else { false }
        }
    }

    /// What came of a run.
    public struct Outcome: Sendable {
        public let end: End
        /// Why the tool can be run again, in its compiler's words; nil if it did its work, or failed in another way.
        public let complaint: String?
        /// What it wrote and was not passed on.
        public let held: [UInt8]
    }

    /// A tool that dies later than this after its start has not died of its headers.
    static let crashPatience = Duration.seconds(60)

    private let command: [String]
    private let variables: [(name: String, value: String)]

    /// - Parameters:
    ///   - command: a name that is looked for in `PATH`, or a path; then arguments. Not empty.
    ///   - variables: set for it, beside those that this process was given.
    public init(_ command: [String], setting variables: [(name: String, value: String)] = []) {
        precondition(!command.isEmpty, "a command has a name")
        self.command = command
        self.variables = variables
    }

    /// Runs the tool to its end. Standard input and output are its own.
    ///
    /// - Parameter signals: what the tool is to find.
    /// - Returns: nil if it could not be started; the caller tries once more, in its own place, and has the same said.
    /// - Throws: `SystemCallError`; `CancellationError` if a signal came before.
    public func run(_ signals: InheritedSignals) async throws -> Outcome? {
        let forwarding = SignalForwarding()
        forwarding.start()
        await CommandProcess.stopWatchingSignals()
        forwarding.start()
        try Task.checkCancellation()
        return try await BlockingWork.run { _ in try supervise(signals, forwarding) }
    }

    /// Ends this process as the tool ended.
    public static func end(as end: End, _ signals: InheritedSignals) -> Never {
        switch end {
        case .exited(let code): exit(code)
        case .died(let number):
            // One core dump is enough.
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            setrlimit(__rlimit_resource_t(4), &none)
            InheritedSignals.die(of: number)
            exit(128 + number)
        }
    }

    /// Makes signals this process's own again, before a program replaces it. One that came since the tool's end, and was
    /// for nobody therefore, ends it now.
    public static func stopForwarding() { SignalForwarding.giveUp() }

    /// Writes what was held back to standard error.
    public static func pass(_ bytes: [UInt8]) { put(bytes) }

    // MARK: Running

    private func supervise(_ signals: InheritedSignals, _ forwarding: SignalForwarding) throws -> Outcome? {
        let errors = try Pipe()
        let ended = try Pipe()
        guard let process = spawn(signals, errors.writer) else { return nil }
        forwarding.attach(to: process)
        errors.closeWriter()
        let status = Mutex<CInt>(0)
        // Whoever the tool has started may keep its standard error open, so its end is watched for itself.
        let waiter = DispatchQueue(label: "kheader.tool")
        waiter.async {
            // As long as it is not waited for, its number is nobody else's.
            var information = siginfo_t()
            while waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
            forwarding.stop()
            var value: CInt = 0
            while waitpid(process, &value, 0) < 0, errno == EINTR {}
            status.withLock { $0 = value }
            ended.closeWriter()
        }
        let start = ContinuousClock.now
        var relay = DiagnosticRelay()
        try Self.relay(of: process, from: errors.reader, until: ended.reader, &relay, since: start)
        // The last of the waiter's work.
        waiter.sync {}
        Self.put(relay.end())
        let end = Self.end(of: status.withLock { $0 })
        return Self.outcome(end, &relay, ContinuousClock.now - start)
    }

    private static func outcome(_ end: End, _ relay: inout DiagnosticRelay, _ elapsed: Duration) -> Outcome {
        var complaint: String?
        switch end {
        // What was told to end is not run again.
        case _ where SignalForwarding.isToEnd: break
        case .exited(let code): if code != 0 { complaint = relay.firstError }
        case .died(let signal) where end.isCrash && elapsed < crashPatience:
            complaint = relay.firstError ?? String(cString: strsignal(signal))
        case .died: break
        }
        return Outcome(end: end, complaint: complaint, held: relay.finish())
    }

    private static func end(of status: CInt) -> End {
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .died(signal: signal)
    }

    /// Until the tool has ended, and what it had written by then is passed on.
    private static func relay(
        of process: pid_t, from errors: CInt, until ended: CInt, _ relay: inout DiagnosticRelay,
        since start: ContinuousClock.Instant
    ) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var isOpen = true
        // What a pipe holds, and so all that the tool can have left there; what comes after it is not its own.
        var last = 1 << 16
        while true {
            var events = [
                pollfd(fd: isOpen ? errors : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ended, events: Int16(POLLIN), revents: 0),
            ]
            let left = relay.nextWait.map { $0 - (ContinuousClock.now - start) }
            let timeout = left.map { CInt(clamping: max(0, $0.milliseconds + 1)) } ?? -1
            let count = poll(&events, 2, timeout)
            let now = ContinuousClock.now - start
            if count <= 0 {
                put(relay.wait(until: now) { ProcessActivity.isBusy(process) })
                continue
            }
            if events[0].revents != 0 {
                let read = read(errors, &buffer, buffer.count)
                if read > 0 {
                    put(relay.take(buffer[..<read], at: now))
                    if events[1].revents != 0 { last -= read }
                    if last > 0 { continue }
                }
                if read == 0 || errno != EINTR { isOpen = false }
            }
            if events[1].revents != 0 { return }
        }
    }

    private static func put(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        let sink = FileSink(borrowing: STDERR_FILENO)
        try? sink.write(bytes)
        try? sink.finish()
    }

    /// - Returns: nil if there is no such program, or it can't be started.
    private func spawn(_ signals: InheritedSignals, _ errors: CInt) -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var blocked = signals.blocked
        posix_spawnattr_setsigmask(&attributes, &blocked)
        var standard = sigset_t()
        sigemptyset(&standard)
        for number in signals.changed { sigaddset(&standard, number) }
        posix_spawnattr_setsigdefault(&attributes, &standard)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // execvp runs what has no '#!' as a script of sh; posix_spawnp leaves that to its caller, and this one to execvp.
        for (name, value) in variables { setenv(name, value, 1) }
        let arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let number = posix_spawnp(&process, command[0], &actions, &attributes, arguments, environ)
        return number == 0 ? process : nil
    }
}

/// A pipe whose ends are closed when nobody needs them any more, and never inherited.
private final class Pipe: Sendable {
    let reader: CInt
    let writer: CInt
    private let isWriterOpen = Mutex(true)

    init() throws {
        var ends: [CInt] = [0, 0]
        try SystemCallError.check("pipe", nil) { pipe(&ends) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reader, writer) = (ends[0], ends[1])
    }

    deinit {
        close(reader)
        closeWriter()
    }

    func closeWriter() {
        isWriterOpen.withLock {
            if $0 { close(writer) }
            $0 = false
        }
    }
}

/// Signals for this process go to the tool, for as long as there is one.
///
/// Those of the terminal reach the tool by themselves: it is in the same group, and who sent a signal is in its information.
/// Handlers, and no sources of Dispatch's: those that this program has to clean up behind itself must not cancel anything now.
private struct SignalForwarding: Sendable {
    /// The tool that signals go to; 0 while there is none.
    private static let process = Atomic<pid_t>(0)
    /// Those that were not passed on yet, a bit each.
    private static let waiting = Atomic<UInt64>(0)
    /// The last one that ends programs, the terminal's included; 0 if none came.
    private static let ending = Atomic<CInt>(0)
    static var isToEnd: Bool { ending.load(ordering: .sequentiallyConsistent) != 0 }
    private static let numbers = [SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2]

    func start() {
        // So that neither is made in a handler.
        _ = (Self.process.load(ordering: .relaxed), Self.waiting.load(ordering: .relaxed), Self.isToEnd)
        for number in Self.numbers where !InheritedSignals.isIgnored(number) {
            var action = sigaction()
            action.__sigaction_handler.sa_sigaction = { number, information, _ in
                if number != SIGUSR1, number != SIGUSR2 {
                    SignalForwarding.ending.store(number, ordering: .sequentiallyConsistent)
                }
                // SI_KERNEL: the terminal's, which the whole group gets.
                guard information?.pointee.si_code != 0x80 else { return }
                _ = SignalForwarding.waiting.bitwiseOr(1 << UInt64(number), ordering: .sequentiallyConsistent)
                SignalForwarding.deliver()
            }
            action.sa_flags = SA_SIGINFO | SA_RESTART
            sigaction(number, &action, nil)
        }
    }

    func attach(to process: pid_t) {
        Self.process.store(process, ordering: .sequentiallyConsistent)
        Self.deliver()
    }

    /// Whoever comes last, the signal or the tool, sees the other.
    private static func deliver() {
        let process = process.load(ordering: .sequentiallyConsistent)
        guard process > 0 else { return }
        let signals = waiting.exchange(0, ordering: .sequentiallyConsistent)
        // No loop over an array: this runs in a signal's handler.
        for number in CInt(1)...31 where signals & 1 << UInt64(number) != 0 { kill(process, number) }
    }

    func stop() { Self.process.store(0, ordering: .sequentiallyConsistent) }

    /// Blocked from here on, one that comes later ends whatever this process is when its mask is what it was.
    static func giveUp() {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        for number in numbers where !InheritedSignals.isIgnored(number) { signal(number, SIG_DFL) }
        let left = waiting.load(ordering: .sequentiallyConsistent)
        let last = ending.load(ordering: .sequentiallyConsistent)
        guard let number = last != 0 ? last : numbers.first(where: { left & 1 << UInt64($0) != 0 }) else { return }
        InheritedSignals.die(of: number)
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
