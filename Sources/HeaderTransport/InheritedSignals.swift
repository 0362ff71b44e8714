package import Glibc

/// What this process's starter decided of signals, for the program that replaces it: which are ignored, which blocked.
public struct InheritedSignals: Sendable {
    /// Those that this program ignores for its own purposes: to clean up when it is asked to end, and, as libcurl
    /// wants it, those of broken pipes.
    private static let changed = [SIGINT, SIGTERM, SIGHUP, SIGPIPE]

    private let ignored: [CInt]
    /// The signals that were blocked.
    package let blocked: sigset_t

    /// To be read on the main thread, before anything else: Dispatch's threads block all signals.
    public init() {
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        blocked = mask
        ignored = Self.changed.filter(Self.isIgnored)
    }

    /// Makes them what they were. From then on a signal ends this process at once.
    func restore() {
        for number in Self.changed { signal(number, ignored.contains(number) ? SIG_IGN : SIG_DFL) }
        var mask = blocked
        pthread_sigmask(SIG_SETMASK, &mask, nil)
    }

    /// Those that this program ignores, and its starter did not.
    package var changed: [CInt] { Self.changed.filter { !ignored.contains($0) } }

    /// Ends this process as a signal does that nobody handles. Dispatch's threads block all signals.
    package static func die(of number: CInt) {
        signal(number, SIG_DFL)
        var numbers = sigset_t()
        sigemptyset(&numbers)
        sigaddset(&numbers, number)
        pthread_sigmask(SIG_UNBLOCK, &numbers, nil)
        raise(number)
    }

    package static func isIgnored(_ number: CInt) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0, let handler = action.__sigaction_handler.sa_handler else {
            return false
        }
        return unsafeBitCast(handler, to: Int.self) == 1
    }
}
