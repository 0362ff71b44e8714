internal import KernelHeaders

/// Holds a decompressor to the limits on size, ratio and time, and counts what goes in.
final class MeteredSource: ByteSource {
    /// Counts the compressed bytes below the decompressor.
    final class Intake: ByteSource {
        fileprivate(set) var count = 0
        private let source: any ByteSource
        private let limit: Int
        private let checkTime: () throws -> Void

        init(_ source: any ByteSource, limit: Int, checkTime: @escaping () throws -> Void) {
            self.source = source
            self.limit = limit
            self.checkTime = checkTime
        }

        func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            // Here too: a decompressor may read for long without putting anything out (empty frames).
            try checkTime()
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
    private let checkTime: () throws -> Void
    private var count = 0

    init(
        _ source: any ByteSource, intake: Intake, limits: ArchiveLimits, checkTime: @escaping () throws -> Void
    ) {
        self.source = source
        self.intake = intake
        self.limits = limits
        self.checkTime = checkTime
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
        try checkTime()
        return read
    }
}
