internal import Synchronization

/// A derived file that is being made, and can be sent as it grows.
///
/// Those who send it read it from the disk, each at its own pace, and wait here for more. Whoever makes it waits for none of
/// them, and goes on when all are gone.
public final class GrowingFile: Sendable {
    /// How far it is.
    public struct Progress: Sendable {
        /// The file, of which these bytes are there.
        public let file: OpenFile
        public let length: Int
        /// The same once it is whole, and kept.
        public let whole: DerivedFile?
    }

    /// Bytes by which it grows before anybody is told. One that is whole before is sent as any other.
    static let step = 256 << 10

    private struct State {
        var file: OpenFile?
        /// As was told.
        var length = 0
        var result: Result<DerivedFile, any Error>?
        /// For more bytes than these.
        var waiting: [(offset: Int, CheckedContinuation<Void, Never>)] = []

        func progress(beyond offset: Int) throws -> Progress? {
            if let whole = try result?.get() {
                return Progress(file: whole.contents, length: whole.length, whole: whole)
            }
            return length > offset ? file.map { Progress(file: $0, length: length, whole: nil) } : nil
        }
    }

    private let state = Mutex(State())

    /// Waits until there are more than so many bytes, or the file is whole.
    ///
    /// - Throws: why it can't be made, also in the middle.
    public func progress(beyond offset: Int) async throws -> Progress {
        while true {
            if let progress = try state.withLock({ try $0.progress(beyond: offset) }) { return progress }
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    if state.result != nil || state.length > offset { return true }
                    state.waiting.append((offset, continuation))
                    return false
                }
                if isThere { continuation.resume() }
            }
        }
    }

    /// Waits until the file is whole.
    func whole() async throws -> DerivedFile {
        while true { if let whole = try await progress(beyond: .max).whole { return whole } }
    }

    // MARK: Whoever makes it

    /// Whether somebody may have had some of it.
    var hasBegun: Bool { state.withLock { $0.length > 0 } }

    /// Says where it is written.
    func begin(_ path: String) throws {
        let file = try OpenFile(path: path)
        state.withLock { $0.file = file }
    }

    /// Says that so many bytes were written, not all of which need to be in the file by now.
    func grew(to length: Int) throws {
        guard let file = state.withLock({ length >= $0.length + Self.step ? $0.file : nil }) else { return }
        let there = try file.length()
        change { $0.length = there }
    }

    func end(_ result: Result<DerivedFile, any Error>) { change { $0.result = result } }

    private func change(_ body: (inout State) -> Void) {
        let ready = state.withLock { state in
            body(&state)
            let (length, isOver) = (state.length, state.result != nil)
            let split = state.waiting.partition { isOver || $0.offset < length }
            defer { state.waiting.removeSubrange(split...) }
            return state.waiting[split...].map(\.1)
        }
        for continuation in ready { continuation.resume() }
    }
}
