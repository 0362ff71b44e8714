internal import Dispatch
internal import HeaderArchive
public import HeaderStore
internal import Synchronization

/// Stops whoever builds a bundle when some of it is written, until the test has it go on, or fail.
public final class HaltedBundle: Sendable {
    /// Bytes that are written by then, at least. Those who are sent the bundle have a part of them.
    public static let bytes = 1 << 20

    private struct State {
        var written = 0
        var builds = 0
        var decision: Decision?
    }

    private enum Decision {
        case goOn, fail(SystemCallError)
    }

    private let state = Mutex(State())
    private let decided = DispatchSemaphore(value: 0)

    public init() {}

    /// For the store.
    public var files: any FileSystem {
        ObservedFileSystem { moment, call in
            switch (moment, call) {
            case (.after, .create(let path)) where path.hasSuffix("-bundle"):
                self.state.withLock { ($0.written, $0.builds) = (0, $0.builds + 1) }
            case (.before, .write(let path, let bytes)) where path.hasSuffix("-bundle"):
                let isHalted = self.state.withLock { state in
                    defer { state.written += bytes }
                    return state.written >= Self.bytes
                }
                if isHalted { try self.waitForDecision() }
            default: break
            }
        }
    }

    /// How many bundles were begun.
    public var builds: Int { state.withLock { $0.builds } }

    /// From now on nothing is stopped.
    public func goOn() { decide(.goOn) }

    /// From now on all builds fail where they were stopped.
    public func fail(_ number: CInt) { decide(.fail(SystemCallError(call: "write", path: "/secret", number: number))) }

    /// The same, unless it was decided already.
    public func failOnce(_ number: CInt) { if state.withLock({ $0.decision == nil }) { fail(number) } }

    private func decide(_ decision: Decision) {
        state.withLock { $0.decision = decision }
        decided.signal()
    }

    private func waitForDecision() throws {
        while true {
            switch state.withLock({ $0.decision }) {
            case .goOn: return
            case .fail(let error): throw error
            case nil: decided.wait()
            }
        }
    }
}
