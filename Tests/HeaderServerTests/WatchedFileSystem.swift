import HeaderArchive
import HeaderStore
import Synchronization

/// The machine's file system, which tells what is done with it, and fails when it is told to.
final class WatchedFileSystem: FileSystem {
    enum Event: Equatable, Sendable {
        case created(String)
        case renamed(to: String)
        case removed(String)
    }

    private let files = PosixFileSystem()
    private let seen = Mutex<[Event]>([])
    private let failure = Mutex<SystemCallError?>(nil)
    private let stream = AsyncStream.makeStream(of: Event.self)

    /// What was done so far.
    var events: [Event] { seen.withLock { $0 } }

    /// What is done from the start on, as it is done. For one reader.
    var all: AsyncStream<Event> { stream.stream }

    /// From now on files can't be made, and for this reason; nil makes it work again.
    func fail(_ number: CInt?) {
        failure.withLock { $0 = number.map { SystemCallError(call: "open", path: "/secret", number: $0) } }
    }

    private func tell(_ event: Event) {
        seen.withLock { $0.append(event) }
        stream.continuation.yield(event)
    }

    func makeDirectory(_ path: String) throws { try files.makeDirectory(path) }

    func create(_ path: String) throws -> any WritableFile {
        if let failure = failure.withLock({ $0 }) { throw failure }
        defer { tell(.created(path)) }
        return try files.create(path)
    }

    func rename(_ path: String, to target: String) throws {
        try files.rename(path, to: target)
        tell(.renamed(to: target))
    }

    func remove(_ path: String) throws {
        try files.remove(path)
        tell(.removed(path))
    }

    func syncDirectory(_ path: String) throws { try files.syncDirectory(path) }
}
