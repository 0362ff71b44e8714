internal import Glibc
internal import Synchronization

/// Slows work in the background down to so many bytes a second, and lets others go first. Blocks the thread that asks.
final class UpkeepPace: Sendable {
    /// Microseconds: of one sleep, after which it is looked whether the work is to end.
    private static let slice: UInt32 = 20_000
    /// The most sleeps that others are let go first for, before each piece.
    private static let patience = 10

    private let isCancelled = Atomic(false)
    private let isBusy: @Sendable () -> Bool

    /// - Parameter isBusy: whether others are at work now.
    init(isBusy: @escaping @Sendable () -> Bool) { self.isBusy = isBusy }

    /// Ends the work, at its next piece.
    func cancel() { isCancelled.store(true, ordering: .sequentiallyConsistent) }

    /// Waits as long as something is so.
    ///
    /// - Throws: `CancellationError`.
    func wait(while condition: () -> Bool) throws {
        while condition() {
            try wait(before: 0, bytesPerSecond: nil)
            usleep(Self.slice)
        }
    }

    /// Called before a piece is read; with no bytes, to see whether the work is to end.
    ///
    /// - Parameter bytesPerSecond: nil for as fast as can be.
    /// - Throws: `CancellationError`.
    func wait(before bytes: Int, bytesPerSecond: Int?) throws {
        var slices = bytesPerSecond.map { bytes * 1_000_000 / max($0, 1) / Int(Self.slice) } ?? 0
        var patience = bytes > 0 ? Self.patience : 0
        while true {
            if isCancelled.load(ordering: .sequentiallyConsistent) { throw CancellationError() }
            if slices > 0 {
                slices -= 1
            } else if patience > 0, isBusy() {
                patience -= 1
            } else {
                return
            }
            usleep(Self.slice)
        }
    }
}
