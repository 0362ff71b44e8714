internal import Glibc
public import HeaderStore
internal import Synchronization

/// Ends this process with SIGKILL at the n-th step, of which there is one before and one after each call of a file system.
///
/// Nothing is tidied up: buffers are lost, locks are left to the kernel, as in a crash.
public final class DeadlyStep: Sendable {
    private let number: Int
    private let onDeath: @Sendable (String) -> Void
    private let isArmed = Atomic(false)
    private let taken = Atomic(0)

    /// - Parameters:
    ///   - number: from 1; 0 for never.
    ///   - onDeath: is told which step it is, just before.
    public init(_ number: Int, onDeath: @escaping @Sendable (String) -> Void) {
        self.number = number
        self.onDeath = onDeath
    }

    /// Steps taken since ``arm()``.
    public var steps: Int { taken.load(ordering: .sequentiallyConsistent) }

    /// From here on steps count.
    public func arm() { isArmed.store(true, ordering: .sequentiallyConsistent) }

    /// The file system whose calls are the steps.
    public var files: any FileSystem {
        ObservedFileSystem { [self] moment, call in
            guard isArmed.load(ordering: .sequentiallyConsistent) else { return }
            guard taken.add(1, ordering: .sequentiallyConsistent).newValue == number else { return }
            onDeath("\(number), \(moment) \(call)")
            kill(getpid(), SIGKILL)
            // The signal may take a moment to arrive, in which no other call may be made.
            while true { pause() }
        }
    }
}
