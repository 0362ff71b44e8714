internal import Glibc
internal import HeaderArchive
internal import HeaderTransport

/// An advisory lock (`flock`) on a file, held until the value goes, or the process ends, however it ends.
///
/// Whoever can read a file can lock it, so these are their owner's alone (0600): another user could keep everybody
/// waiting.
final class FileLock: Sendable {
    let descriptor: CInt

    private init(_ descriptor: CInt) { self.descriptor = descriptor }

    deinit {
        // Not left to closing the descriptor: a process that is being started at this moment has it too, until it is its own
        // program. What programs are to keep is theirs.
        if fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0 { flock(descriptor, LOCK_UN) }
        close(descriptor)
    }

    /// The one exclusive lock of a file that is made for it and may be removed while it is held.
    ///
    /// - Parameter onWait: is called once if another process has it.
    /// - Throws: `SystemCallError`; `CancellationError`.
    static func exclusive(
        _ path: String, cancellation: Cancellation, onWait: () -> Void
    ) throws -> FileLock {
        var hasWaited = false
        while true {
            if let lock = try exclusive(path) { return lock }
            if !hasWaited { onWait() }
            hasWaited = true
            try cancellation.check()
            // Not the call that waits: it would not hear of a cancellation.
            usleep(20_000)
        }
    }

    /// The same; nil if another process has it.
    static func exclusive(_ path: String) throws -> FileLock? {
        while true {
            let lock = FileLock(
                try SystemCallError.check("open", path) { open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600) }
            )
            guard try lock.take(LOCK_EX, path) else { return nil }
            // Whoever had it before may have removed the file: then this lock is of a file that nobody else will find.
            if lock.isOf(path) { return lock }
        }
    }

    /// What came of a lock that is not waited for.
    enum Attempt {
        case taken(FileLock)
        /// Another process's lock stands in the way.
        case refused
        /// There is no such file, or it is another user's own.
        case impossible
    }

    /// - Parameter operation: `LOCK_SH` or `LOCK_EX`.
    static func attempt(_ path: String, _ operation: CInt) -> Attempt {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return .impossible }
        let lock = FileLock(descriptor)
        guard let isTaken = try? lock.take(operation, path) else { return .impossible }
        return isTaken && lock.isOf(path) ? .taken(lock) : .refused
    }

    private func take(_ operation: CInt, _ path: String) throws -> Bool {
        do {
            try SystemCallError.check("flock", path) { flock(descriptor, operation | LOCK_NB) }
            return true
        } catch let error as SystemCallError where error.number == EWOULDBLOCK {
            return false
        }
    }

    /// Whether the path still leads to what was locked.
    private func isOf(_ path: String) -> Bool {
        var mine = stat()
        var there = stat()
        return fstat(descriptor, &mine) == 0 && lstat(path, &there) == 0 && mine.st_ino == there.st_ino
            && mine.st_dev == there.st_dev
    }
}
