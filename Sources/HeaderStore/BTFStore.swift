internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Logging
internal import Synchronization

/// The kernels' BTF: truth, one file for each kernel, apart from packs and catalogue, as it shares nothing with headers and
/// may be there without them.
///
/// `btf/<build ID>.<SHA-256>.<bytes>.btf.zst` is one zstd frame; digest and length are those of the raw BTF. A name and what
/// is under it say all there is to know, so that nothing has to be rebuilt or recovered: a kernel has BTF when the file
/// has its name.
final class BTFStore: Sendable {
    /// A kernel's BTF, as its file's name has it.
    struct Record: Sendable {
        /// Of the raw bytes.
        let digest: Digest
        let bytes: Int
        /// Of the file.
        let storedBytes: Int
    }

    /// Raw BTF that was asked for lately: the hosts that boot a new kernel all ask for the same.
    private static let cacheBytes = 64 << 20

    private let files: any FileSystem
    private let layout: StoreLayout
    private let disk: DiskBudget
    private let cache = ByteCache<Digest>(limit: BTFStore.cacheBytes)
    private let records: Mutex<[BuildID: Record]>

    init(files: any FileSystem, layout: StoreLayout, disk: DiskBudget, logger: Logger) throws {
        self.files = files
        self.layout = layout
        self.disk = disk
        // The folder itself, which a store from before has not got, and a file that a crash left with its name not synced:
        // before anyone is told that they are there.
        try files.syncDirectory(layout.root)
        try files.syncDirectory(layout.btf)
        var records: [BuildID: Record] = [:]
        for name in try FolderListing.names(in: layout.btf).sorted() {
            guard let (id, record) = try Self.record(name, in: layout.btf) else { continue }
            if records[id] == nil {
                records[id] = record
            } else {
                logger.error("a kernel has two files of BTF; the first counts", metadata: ["file": "\(name)"])
            }
        }
        self.records = Mutex(records)
    }

    /// What a file's name says, or nil if it is not one of ours.
    private static func record(_ name: String, in folder: String) throws -> (BuildID, Record)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[3...] == ["btf", "zst"], let id = BuildID(parts[0]),
            let digest = Digest(parts[1]), let bytes = Int(parts[2])
        else { return nil }
        var status = stat()
        try SystemCallError.check("stat", name) { stat("\(folder)/\(name)", &status) }
        return (id, Record(digest: digest, bytes: bytes, storedBytes: Int(status.st_size)))
    }

    /// Nil if the store has no BTF of the kernel.
    func record(_ id: BuildID) -> Record? { records.withLock { $0[id] } }

    /// Removes a kernel's BTF, durably. Must not be called while another is in ``ingest(_:digest:id:)``.
    func remove(_ id: BuildID) throws {
        guard let record = records.withLock({ $0.removeValue(forKey: id) }) else { return }
        try files.remove(layout.btf(id, record))
        try files.syncDirectory(layout.btf)
    }

    /// All that there is.
    var all: [BuildID: Record] { records.withLock { $0 } }

    func fileName(_ id: BuildID, _ record: Record) -> String {
        "\(id).\(record.digest).\(record.bytes).btf.zst"
    }

    /// Reads a kernel's BTF past the cache; if it is damaged, the kernel has none from here on. Must not be called while
    /// one is taken in.
    ///
    /// - Returns: whether it was damaged.
    func quarantineIfDamaged(_ id: BuildID, _ record: Record) throws -> Bool {
        do {
            _ = try read(id, record)
            return false
        } catch let error as SystemCallError where error.number != EIO {
            throw error
        } catch is SystemCallError, is Problem {}
        guard records.withLock({ $0[id]?.digest == record.digest }) else { return false }
        let path = layout.btf(id, record)
        if access(path, F_OK) == 0 {
            try files.rename(path, to: "\(layout.quarantine)/\(fileName(id, record))")
            try files.syncDirectory(layout.quarantine)
            try files.syncDirectory(layout.btf)
        }
        records.withLock { $0[id] = nil }
        return true
    }

    /// Files that are no kernel's BTF: those of a kernel that has another.
    func strays() throws -> [String] {
        let known = Set(all.map { fileName($0.key, $0.value) })
        return try FolderListing.names(in: layout.btf).filter { !known.contains($0) && $0.hasSuffix(".btf.zst") }
    }

    /// How many kernels have BTF here, and the bytes of the files.
    var status: (kernels: Int, storedBytes: Int) {
        records.withLock { ($0.count, $0.values.reduce(0) { $0 + $1.storedBytes }) }
    }

    /// Raw BTF that is in memory; nil if it has to be read.
    func kept(_ record: Record) -> [UInt8]? { cache.kept(record.digest) }

    /// A kernel's raw BTF.
    ///
    /// - Throws: `Problem` with `store-damaged` if the file no longer has it.
    func contents(_ id: BuildID, _ record: Record) throws -> [UInt8] {
        try cache.bytes(record.digest) { try read(id, record) }
    }

    private func read(_ id: BuildID, _ record: Record) throws -> [UInt8] {
        let frame: [UInt8]
        do {
            frame = try FileSource(path: layout.btf(id, record)).readAll()
        } catch let error as SystemCallError where error.number == ENOENT {
            throw Self.damaged(id)
        }
        let raw = try ZstdFrame.decompress(frame, rawLength: record.bytes)
        guard SHA256Hash.digest(of: raw) == record.digest else { throw Self.damaged(id) }
        return raw
    }

    private static func damaged(_ id: BuildID) -> Problem {
        Problem(.storeDamaged, "The BTF of \(id) is damaged in the store. Upload it again, which mends it.")
    }

    /// Takes a finished upload as a kernel's BTF. Must not be called by two at a time.
    ///
    /// - Returns: the receipt, and whether the kernel had no BTF before. The file is durable by then.
    /// - Throws: `Problem` with `btf-malformed`, `btf-conflict` or `disk-full`; `SystemCallError`.
    func ingest(_ upload: StagedUpload, digest: Digest, id: BuildID) throws -> (receipt: BTFReceipt, isNew: Bool) {
        let known = record(id)
        var receipt = BTFReceipt(buildID: id, digest: digest, bytes: upload.length, storedBytes: 0)
        if let known {
            guard known.digest == digest else {
                throw Problem(
                    .btfConflict,
                    "Build ID \(id) has the BTF \(known.digest) already, and this is \(digest). Check where it comes from."
                )
            }
            if (try? read(id, known)) != nil { return (receipt, false) }
        }
        // In memory, as a whole: the limit of an upload is what it takes, once.
        let raw = try FileSource(path: upload.path).readAll()
        _ = try BTFHeader(raw, fileLength: raw.count)
        let frame = try ZstdFrame.compress(raw, level: 19)
        let record = Record(digest: digest, bytes: raw.count, storedBytes: frame.count)
        try write(frame, to: layout.btf(id, record))
        records.withLock { $0[id] = record }
        receipt.storedBytes = frame.count
        return (receipt, known == nil)
    }

    private func write(_ frame: [UInt8], to target: String) throws {
        let reservation = try disk.reserve(frame.count)
        defer { withExtendedLifetime(reservation) {} }
        let path = layout.stagingFile("btf")
        do {
            let file = try files.create(path)
            try file.write(frame)
            try file.sync()
            try file.close()
            try files.rename(path, to: target)
        } catch {
            try files.remove(path)
            throw error
        }
        do {
            try files.syncDirectory(layout.btf)
        } catch {
            try files.remove(target)
            throw error
        }
    }
}

extension StoreLayout {
    fileprivate func btf(_ id: BuildID, _ record: BTFStore.Record) -> String {
        "\(btf)/\(id).\(record.digest).\(record.bytes).btf.zst"
    }
}
