internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// The PCHs on disk, in a ``DerivedCache``; why others could not be made; and what clients ask for.
final class PCHStore: Sendable {
    /// Failures and demands that are kept.
    private static let maximumFailures = 1000
    private static let maximumDemands = 1024
    /// How long a failure is kept that nobody asks for any more, in seconds.
    private static let failureSeconds = 7 * 86400
    /// Of the compressed form, which is made once and sent often: 19 is a seventh smaller and takes fifty times as long.
    private static let zstdLevel = 3

    private let catalogue: Catalogue
    private let files: any FileSystem
    private let layout: StoreLayout
    private let disk: DiskBudget
    private let retrySeconds: Int
    private let now: @Sendable () -> Int
    let cache: DerivedCache<PCHRecord>
    private let failures: Mutex<[Digest: PCHFailure]>
    private let demand: AskedTimes<PCHDemand>

    /// - Parameters:
    ///   - limit: bytes of PCHs kept on disk.
    ///   - newest: of how many of the newest kernels PCHs go last.
    ///   - retrySeconds: how long a failure counts.
    ///   - now: seconds since 1970.
    init(
        catalogue: Catalogue, files: any FileSystem, layout: StoreLayout, disk: DiskBudget, limit: Int,
        newest: Int, retrySeconds: Int, now: @escaping @Sendable () -> Int
    ) throws {
        self.catalogue = catalogue
        self.files = files
        self.layout = layout
        self.disk = disk
        self.retrySeconds = retrySeconds
        self.now = now
        cache = try DerivedCache(
            catalogue: catalogue, files: files, layout: layout, disk: disk, limit: limit, newest: newest)
        failures = Mutex(try catalogue.pool.read { try catalogue.failures($0) })
        demand = AskedTimes(now: now) { times in
            try catalogue.write { database in
                for (demand, time) in times { try catalogue.demanded(demand, at: time, database) }
                try catalogue.removeDemand(keeping: Self.maximumDemands, database)
            }
        }
    }

    func close() throws { try demand.close() }

    /// Bytes of all PCHs on disk, compressed forms included.
    var bytes: Int { cache.bytes }

    var count: Int { cache.count }

    func pch(_ key: Digest) -> StoredPCH? {
        guard let (record, files) = cache.open(key), files.count == 2 else { return nil }
        return StoredPCH(rank: record.rank, tree: record.tree, file: files[0], compressed: files[1])
    }

    func document(_ key: Digest) throws -> String? {
        try catalogue.pool.read { try catalogue.pchDocument(key, $0) }
    }

    /// Copies a file in: what made it may still have it open.
    ///
    /// - Throws: `Problem` with `pch-malformed` if the file is not what its maker says, or `disk-full`; `SystemCallError`.
    func publish(
        _ source: any ByteSource, key: Digest, tree: Digest, rank: String, digest: Digest, document: String
    ) throws {
        let plain = try StagedDerivedFile("pch", files: files, layout: layout, disk: disk)
        do {
            let compressed = try StagedDerivedFile("pch.zst", files: files, layout: layout, disk: disk)
            do {
                let zstd = try ZstdSink(compressed, level: Self.zstdLevel)
                try source.drain { bytes in
                    try plain.write(bytes)
                    try zstd.write(bytes)
                }
                try zstd.finish()
                guard try plain.complete() == digest else {
                    throw Problem(.pchMalformed, "The PCH is not the one of its manifest: it has another SHA-256.")
                }
                let record = PCHRecord(
                    tree: tree, rank: rank, digest: digest, bytes: plain.length,
                    zstdDigest: try compressed.complete(), zstdBytes: compressed.length)
                try cache.publish([plain.path, compressed.path], as: record, for: key) {
                    try catalogue.insert(record, for: key, document: document, $0)
                }
            } catch {
                try compressed.discard()
                throw error
            }
        } catch {
            try plain.discard()
            throw error
        }
        failures.withLock { $0[key] = nil }
    }

    // MARK: Failures

    /// Why the PCH could not be made, as long as that counts.
    func failure(_ key: Digest) -> PCHFailure? {
        let now = now()
        return failures.withLock { failures in
            failures[key].flatMap { (0..<retrySeconds).contains(now - $0.time) ? $0 : nil }
        }
    }

    func failed(_ key: Digest, _ problem: Problem) throws {
        let detail = String(decoding: problem.detail.utf8.prefix(PCHFailure.detailBytes), as: UTF8.self)
        let failure = PCHFailure(code: problem.code, detail: detail, time: now())
        failures.withLock { $0[key] = failure }
        let left = try catalogue.write { database in
            try catalogue.insert(failure, for: key, database)
            return try catalogue.removeFailures(
                before: failure.time - max(retrySeconds, Self.failureSeconds), keeping: Self.maximumFailures, database)
        }
        failures.withLock { $0 = left }
    }

    // MARK: Demand

    func asked(_ demand: PCHDemand) { self.demand.note(demand) }

    func demand(since time: Int) throws -> [PCHDemand] {
        try demand.flush()
        return try catalogue.pool.read { try catalogue.demand(since: time, $0) }
    }
}
