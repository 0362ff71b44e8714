internal import KernelHeaders

/// Holds a decompressor to the limits on size, ratio and time, and counts what goes in.
final class MeteredSource: ByteSource {
    /// Counts the compressed bytes below the decompressor.
    final class Intake: ByteSource {
        fileprivate(set) var count = 0
        private let source: any ByteSource
        private let limit: Int

        init(_ source: any ByteSource, limit: Int) {
            self.source = source
            self.limit = limit
        }

        func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            let read = try source.read(into: buffer)
            count += read
            guard count <= limit else {
                throw Problem(.uploadTooLarge, "The archive is over the limit of \(limit) bytes.")
            }
            return read
        }
    }

    private let source: any ByteSource
    private let intake: Intake
    private let limits: ArchiveLimits
    private let deadline: ContinuousClock.Instant
    private let now: () -> ContinuousClock.Instant
    private var count = 0

    init(
        _ source: any ByteSource, intake: Intake, limits: ArchiveLimits,
        now: @escaping () -> ContinuousClock.Instant
    ) {
        self.source = source
        self.intake = intake
        self.limits = limits
        self.now = now
        deadline = now() + .seconds(limits.seconds)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let read = try source.read(into: buffer)
        count += read
        guard count <= limits.unpackedBytes else {
            throw Problem(.archiveTooLarge, "The archive unpacks to over \(limits.unpackedBytes) bytes.")
        }
        guard count <= limits.ratioFloor || count / max(limits.ratio, 1) <= intake.count else {
            throw Problem(
                .archiveRatio,
                "The archive unpacks to over \(limits.ratio) times its size, which no real headers do.")
        }
        guard now() <= deadline else {
            throw Problem(
                .archiveTimeLimit, "Unpacking took over \(limits.seconds) seconds. Try again when the server is idle.")
        }
        return read
    }
}
