internal import Dispatch
internal import KernelHeaders
internal import Synchronization

/// Hands a tree's files to another visitor on a thread of its own: a client that writes a tree spends as long in the file
/// system as with decompressing and hashing.
///
/// What is read is copied into batches, which that thread takes in order; a file that does not fit is spread over several.
/// There are ``batchCount``, of ``batchBytes`` and ``batchEvents`` at most, and the reader waits until one is free.
///
/// Unchecked: a batch and ``current`` belong to the reader until `filled` is signalled, and again after `free`;
/// ``visitor`` and ``failure`` belong to the thread until it has stopped, ``failure`` only until ``isStopped``.
final class WriteBehind: TreeVisitor, @unchecked Sendable {
    static let batchCount = 3
    static let batchBytes = 512 << 10
    static let batchEvents = 4096

    private let visitor: any TreeVisitor
    private let batches = (0..<batchCount).map { _ in Batch() }
    private var current = 0
    // Counted from zero, as Dispatch takes no semaphore back that stands below its first value.
    private let filled = DispatchSemaphore(value: 0)
    private let free = DispatchSemaphore(value: 0)
    /// Set by the side that fails: nothing more shall be written.
    private let isStopped = Atomic(false)
    private var failure: (any Error)?
    // A serial queue has a thread of its own.
    private let queue = DispatchQueue(label: "kheader.write-behind")

    /// Reads a tree, and returns when all of it is written; or when nothing more will be, if it throws.
    ///
    /// - Parameters:
    ///   - visitor: used by one thread at a time, and by none after this.
    ///   - read: gets the visitor that it shall read into.
    /// - Throws: what the visitor throws, at the next call of `read` to its own or at the end; else what `read` throws.
    static func read<Value>(into visitor: any TreeVisitor, _ read: (any TreeVisitor) throws -> Value) throws -> Value {
        let writeBehind = WriteBehind(visitor)
        let result = Result { try read(writeBehind) }
        if case .failure = result { writeBehind.isStopped.store(true, ordering: .relaxed) }
        writeBehind.join()
        // It was at an earlier file than the reader.
        if let failure = writeBehind.failure { throw failure }
        return try result.get()
    }

    private init(_ visitor: any TreeVisitor) {
        self.visitor = visitor
        for _ in 1..<Self.batchCount { free.signal() }
        queue.async { self.writeBatches() }
    }

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        try makeRoom()
        batches[current].events.append(.begin(path, size: size, executable: executable))
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            try makeRoom()
            rest = batches[current].add(rest)
        }
    }

    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) throws {
        try makeRoom()
        batches[current].events.append(.end(path, digest: digest))
    }

    private func makeRoom() throws {
        if isStopped.load(ordering: .acquiring), let failure { throw failure }
        guard batches[current].isFull else { return }
        filled.signal()
        current = (current + 1) % Self.batchCount
        free.wait()
    }

    private func join() {
        batches[current].isLast = true
        filled.signal()
        queue.sync {}
    }

    private func writeBatches() {
        var number = 0
        while true {
            filled.wait()
            let batch = batches[number]
            do {
                try batch.replay(to: visitor, until: isStopped)
            } catch {
                failure = error
                isStopped.store(true, ordering: .releasing)
            }
            if batch.isLast { return }
            batch.clear()
            // Also after a failure: the reader may wait for it.
            free.signal()
            number = (number + 1) % Self.batchCount
        }
    }
}

private final class Batch {
    enum Event {
        case begin(HeaderPath, size: Int, executable: Bool)
        case bytes(Range<Int>)
        case end(HeaderPath, digest: KernelHeaders.Digest)
    }

    var events: [Event] = []
    var isLast = false
    private let space = UnsafeMutableRawBufferPointer.allocate(byteCount: WriteBehind.batchBytes, alignment: 64)
    private var count = 0

    deinit { space.deallocate() }

    var isFull: Bool { count == space.count || events.count >= WriteBehind.batchEvents }

    /// - Returns: what there is no room for.
    func add(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let place = count..<min(count + bytes.count, space.count)
        space[place].copyBytes(from: bytes.prefix(place.count))
        events.append(.bytes(place))
        count = place.upperBound
        return UnsafeRawBufferPointer(rebasing: bytes[place.count...])
    }

    func replay(to visitor: any TreeVisitor, until isStopped: borrowing Atomic<Bool>) throws {
        for event in events {
            if isStopped.load(ordering: .relaxed) { return }
            switch event {
            case .begin(let path, let size, let executable):
                try visitor.beginFile(path, size: size, executable: executable)
            case .bytes(let place): try visitor.write(UnsafeRawBufferPointer(rebasing: space[place]))
            case .end(let path, let digest): try visitor.endFile(path, digest: digest)
            }
        }
    }

    func clear() {
        events.removeAll(keepingCapacity: true)
        count = 0
    }
}
