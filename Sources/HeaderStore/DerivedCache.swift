internal import GRDB
internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// Derived files of one kind on disk, kept within a byte budget: bundles, PCHs.
///
/// The least recently used goes first, and never the one just made. What pinned kernels and the newest ones have
/// (``Catalogue/lastingTrees(newest:_:)``) goes only when nothing else is left. What was not used since the start is older
/// than what was, and among itself in the order in which the disk says that it was read last. A file that is being sent
/// stays readable when its name is gone. When the disk is short of room, derived files give way.
final class DerivedCache<Record: DerivedRecord>: Sendable {
    typealias Key = Record.Key

    private struct State {
        private(set) var records: [Key: Record] = [:]
        /// Of all files.
        private(set) var bytes = 0
        private var used: [Key: Int] = [:]
        private var clock = 0

        mutating func use(_ key: Key) {
            clock += 1
            used[key] = clock
        }

        /// - Returns: the record in whose place it is.
        @discardableResult
        mutating func put(_ record: Record, for key: Key) -> Record? {
            let old = remove(key)
            records[key] = record
            bytes += record.bytes(of: key)
            use(key)
            return old
        }

        mutating func remove(_ key: Key) -> Record? {
            used[key] = nil
            let record = records.removeValue(forKey: key)
            bytes -= record?.bytes(of: key) ?? 0
            return record
        }

        /// What goes first has the lowest rank.
        func ranks(last trees: Set<Digest>) -> [(key: Key, isLast: Int, used: Int)] {
            records.map { ($0, trees.contains($1.tree(of: $0)) ? 1 : 0, used[$0, default: 0]) }
        }
    }

    private let catalogue: Catalogue
    private let files: any FileSystem
    private let layout: StoreLayout
    private let limit: Int
    private let newest: Int
    /// Event loops ask, too: it is never held while a file is touched.
    private let state = Mutex(State())
    /// Held while a key comes or goes: its files, what is in memory and its row are one.
    private let changes = Mutex(())

    /// - Parameters:
    ///   - limit: bytes that are kept on disk.
    ///   - newest: of how many of the newest kernels files go last.
    init(
        catalogue: Catalogue, files: any FileSystem, layout: StoreLayout, disk: DiskBudget, limit: Int, newest: Int
    ) throws {
        self.catalogue = catalogue
        self.files = files
        self.layout = layout
        self.limit = limit
        self.newest = newest
        let records = try catalogue.pool.read { try Record.all(catalogue, $0) }
            .map { (key: $0, record: $1, read: $1.lastRead($0, layout)) }.sorted { $0.read < $1.read }
        state.withLock { state in for (key, record, _) in records { state.put(record, for: key) } }
        disk.onShortage { [weak self] bytes in self?.evict(toFree: bytes) }
    }

    /// Bytes of all that is on disk.
    var bytes: Int { state.withLock { $0.bytes } }

    var count: Int { state.withLock { $0.records.count } }

    /// What is known of a key; does not count as use.
    func record(_ key: Key) -> Record? { state.withLock { $0.records[key] } }

    /// All that is on disk.
    var all: [Key: Record] { state.withLock { $0.records } }

    /// Gives up a key's files, unless others have taken their place.
    ///
    /// - Returns: whether it did.
    func drop(_ key: Key, ifStill record: Record) -> Bool {
        let names = record.files(of: key)
        return changes.withLock { _ in
            guard self.record(key)?.files(of: key) == names else { return false }
            forget(key)
            try? catalogue.pool.write { try Record.remove(key, catalogue, $0) }
            return true
        }
    }

    /// What is known of a key; nil if it has to be made, or made anew.
    func use(_ key: Key) -> Record? {
        state.withLock { state in
            guard let record = state.records[key], record.isCurrent(key) else { return nil }
            state.use(key)
            return record
        }
    }

    /// A key's files, open; nil if they are not on disk as their record says.
    func open(_ key: Key) -> (record: Record, files: [DerivedFile])? {
        use(key).flatMap { record in record.open(key, layout).map { (record, $0) } }
    }

    /// Takes files in that lie in the staging folder, complete and synced.
    ///
    /// - Parameters:
    ///   - staged: their paths, in the order of the record's files. They are gone from there if this returns.
    ///   - insert: writes the record's row.
    /// - Throws: `SystemCallError`, what `insert` throws; then the key has no files.
    func publish(_ staged: [String], as record: Record, for key: Key, insert: (Database) throws -> Void) throws {
        try changes.withLock { _ in
            let names = record.files(of: key).map(\.name)
            // First the files, then the record: what is known can be opened.
            for (file, name) in zip(staged, names) { try files.rename(file, to: path(name)) }
            let old = state.withLock { $0.put(record, for: key) }?.files(of: key) ?? []
            for name in old.map(\.name) where !names.contains(name) { try? files.remove(path(name)) }
            do {
                try catalogue.write(insert)
            } catch {
                forget(key)
                throw error
            }
        }
        evict(downTo: limit, keeping: key)
    }

    private func path(_ name: String) -> String { "\(Record.folder(layout))/\(name)" }

    /// For whoever holds ``changes``, so that nobody puts a file in the place of one that is about to be removed.
    private func forget(_ key: Key) {
        let record = state.withLock { $0.remove(key) }
        // What can't be removed now is removed at the next start, when no record names it.
        for file in record?.files(of: key) ?? [] { try? files.remove(path(file.name)) }
    }

    private func evict(toFree bytes: Int) { evict(downTo: max(0, self.bytes - bytes), keeping: nil) }

    /// Removes files in their order, until no more than `target` bytes are left.
    private func evict(downTo target: Int, keeping made: Key?) {
        changes.withLock { _ in
            guard bytes > target else { return }
            let trees = try? catalogue.pool.unsafeReentrantRead { try catalogue.lastingTrees(newest: newest, $0) }
            let ranks = state.withLock { $0.ranks(last: trees ?? []) }
                .sorted { ($0.isLast, $0.used) < ($1.isLast, $1.used) }
            for victim in ranks.map(\.key) where victim != made && bytes > target {
                forget(victim)
                try? catalogue.pool.write { try Record.remove(victim, catalogue, $0) }
            }
        }
    }

    /// Brings folder and catalogue together at the start: a record without its files is forgotten, a file without a record
    /// is removed.
    static func recover(catalogue: Catalogue, files: any FileSystem, layout: StoreLayout) throws {
        var strays = Set(try FolderListing.names(in: Record.folder(layout)))
        for (key, record) in try catalogue.pool.read({ try Record.all(catalogue, $0) }) {
            if record.isCurrent(key), record.open(key, layout) != nil {
                strays.subtract(record.files(of: key).map(\.name))
            } else {
                try catalogue.pool.write { try Record.remove(key, catalogue, $0) }
            }
        }
        for name in strays { try files.remove("\(Record.folder(layout))/\(name)") }
    }
}
