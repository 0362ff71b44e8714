internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// Keeps the disk from overflowing: whoever writes reserves first. Derived data gives way; then it is 507.
final class DiskBudget: Sendable {
    /// Bytes that are always left free, for the catalogue's journal and for the machine.
    static let margin = 64 << 20

    private let freeBytes: @Sendable () throws -> Int
    private let reserved = Mutex(0)
    private let givingWay = Mutex<[@Sendable (_ bytes: Int) -> Void]>([])

    /// - Parameter freeBytes: what the disk has free, for tests; nil to ask the file system of `root`.
    init(root: String, freeBytes: (@Sendable () throws -> Int)? = nil) {
        self.freeBytes =
            freeBytes ?? {
                var status = statvfs()
                try SystemCallError.check("statvfs", root) { statvfs(root, &status) }
                return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
            }
    }

    /// Whoever has derived data says here how to give up some of it. They are asked in the order in which they came, until
    /// there is room.
    func onShortage(_ body: @escaping @Sendable (_ bytes: Int) -> Void) { givingWay.withLock { $0.append(body) } }

    /// - Throws: `Problem` with `disk-full`.
    func reserve(_ bytes: Int) throws -> Reservation {
        var missing = try tryReserve(bytes)
        if missing > 0 {
            for giveWay in givingWay.withLock({ $0 }) where missing > 0 {
                giveWay(missing)
                missing = try tryReserve(bytes)
            }
        }
        guard missing == 0 else {
            throw Problem(
                .diskFull,
                "The server's disk has no room for \(bytes) more bytes beside the \(Self.margin >> 20) MiB that are left free. "
                    + "Tell its operator; try again later.")
        }
        return Reservation(self, bytes)
    }

    /// Has derived data give way to the margin, as far as there is any: before what little is written by which an operator
    /// makes room.
    func makeRoom() { _ = try? reserve(1) }

    /// Whether there is room for so many bytes, once derived data has given way. Reserves nothing.
    func hasRoom(for bytes: Int, derived: Int) -> Bool {
        guard let free = try? freeBytes() else { return false }
        return bytes <= reserved.withLock { free - $0 } - Self.margin + derived
    }

    /// What is free, and what of it is reserved.
    func space() throws -> (free: Int, reserved: Int) { (try freeBytes(), reserved.withLock { $0 }) }

    /// - Returns: 0, or how many bytes are missing. More than asked for when others have eaten into the margin.
    private func tryReserve(_ bytes: Int) throws -> Int {
        let free = try freeBytes()
        return reserved.withLock { reserved in
            let missing = bytes - (free - reserved - Self.margin)
            guard missing <= 0 else { return missing }
            reserved += bytes
            return 0
        }
    }

    fileprivate func release(_ bytes: Int) { reserved.withLock { $0 -= bytes } }

    /// Room on the disk for bytes not written yet. What is left of it is given back at the end.
    final class Reservation: Sendable {
        private let budget: DiskBudget
        private let left: Mutex<Int>

        fileprivate init(_ budget: DiskBudget, _ bytes: Int) {
            self.budget = budget
            left = Mutex(bytes)
        }

        deinit { budget.release(left.withLock { $0 }) }

        /// Says that bytes are about to be written, reserving more if it was not enough.
        func use(_ bytes: Int) throws {
            let missing = left.withLock { max(0, bytes - $0) }
            if missing > 0 {
                // In steps, so that not every piece of an upload of unknown length asks the file system.
                let more = try (try? budget.reserve(max(missing, 8 << 20))) ?? budget.reserve(missing)
                left.withLock { $0 += more.take() }
            }
            left.withLock { $0 -= bytes }
            budget.release(bytes)
        }

        private func take() -> Int {
            left.withLock { left in
                defer { left = 0 }
                return left
            }
        }
    }
}
