internal import GRDB
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// The bundles on disk: built when first asked for, once however many ask, and kept within a byte budget.
///
/// The least recently used goes first, and never the one just built. A bundle that is being sent stays readable when its
/// name is gone.
final class BundleStore: Sendable {
    private struct State {
        var bundles: [BundleKey: BundleRecord]
        var used: [BundleKey: Int] = [:]
        var clock = 0
        var building: [BundleKey: Task<Bundle, any Error>] = [:]
    }

    private let catalogue: Catalogue
    private let content: ContentReader
    private let files: any FileSystem
    private let layout: StoreLayout
    private let disk: DiskBudget
    private let limit: Int
    private let queue = WorkQueue(label: "bundles", width: 2)
    private let state: Mutex<State>

    /// - Parameter limit: bytes of bundles kept on disk.
    init(
        catalogue: Catalogue, content: ContentReader, files: any FileSystem, layout: StoreLayout, disk: DiskBudget,
        limit: Int
    ) throws {
        self.catalogue = catalogue
        self.content = content
        self.files = files
        self.layout = layout
        self.disk = disk
        self.limit = limit
        state = Mutex(State(bundles: try catalogue.pool.read { try catalogue.bundles($0) }))
        disk.onShortage { [weak self] bytes in self?.evict(toFree: bytes) }
    }

    /// Bytes of all bundles on disk.
    var bytes: Int { state.withLock { $0.bundles.values.reduce(0) { $0 + $1.bytes } } }

    /// - Throws: `Problem` with `tree-unknown`, `store-damaged` or `disk-full`.
    func bundle(_ key: BundleKey) async throws -> Bundle {
        if let bundle = open(key) { return bundle }
        let task = state.withLock { state in
            if let running = state.building[key] { return running }
            // Its own task: it goes on for the others when the first who asked goes away.
            let task = Task { try await self.queue.run { try self.build(key) } }
            state.building[key] = task
            return task
        }
        // Open already: another bundle may push it out before all who wait have it.
        return try await task.value
    }

    /// The bundle if it is on disk as its record says.
    private func open(_ key: BundleKey) -> Bundle? {
        let record = state.withLock { state -> BundleRecord? in
            guard let record = state.bundles[key], record.recipe == BundleRecipe.name(key.format) else { return nil }
            state.clock += 1
            state.used[key] = state.clock
            return record
        }
        return record.flatMap {
            Bundle(path: layout.bundle(key), format: key.format, digest: $0.digest, length: $0.bytes)
        }
    }

    private func build(_ key: BundleKey) throws -> Bundle {
        defer { state.withLock { $0.building[key] = nil } }
        // Somebody may have finished it between the look and the start.
        if let bundle = open(key) { return bundle }
        let tree = try content.tree(key.tree)
        let reservation = try disk.reserve(0)
        let path = layout.stagingFile("bundle")
        let file = try files.create(path)
        let record: BundleRecord
        let bundle: Bundle
        do {
            let sink = BundleSink(file, reservation)
            try write(tree, to: BundleRecipe.compressor(key.format, over: sink))
            try file.sync()
            try file.close()
            record = BundleRecord(recipe: BundleRecipe.name(key.format), digest: sink.hash.digest(), bytes: sink.length)
            guard let opened = Bundle(path: path, format: key.format, digest: record.digest, length: record.bytes)
            else {
                throw Problem(.internalError, "A bundle that was just written can't be read.")
            }
            bundle = opened
            // Name and record at once: the eviction of an older one must not take this one's file.
            try state.withLock { state in
                try files.rename(path, to: layout.bundle(key))
                state.clock += 1
                state.bundles[key] = record
                state.used[key] = state.clock
            }
        } catch {
            try files.remove(path)
            throw error
        }
        do {
            try catalogue.write { try catalogue.insert(record, for: key, $0) }
        } catch {
            forget(key)
            throw error
        }
        evict(downTo: limit, keeping: key)
        return bundle
    }

    private func write(_ tree: StoredTree, to sink: any ByteSink) throws {
        let writer = TarWriter(sink)
        var locations = try content.locations(of: tree.numbers.compactMap(\.self))[...]
        try writer.add(tree.manifest) { _, write in
            let bytes = try content.contents(locations.removeFirst())
            try bytes.withUnsafeBytes { try write($0) }
        }
        try writer.finish()
    }

    private func forget(_ key: BundleKey) {
        state.withLock { state in
            state.bundles[key] = nil
            state.used[key] = nil
            // What can't be removed now is removed at the next start, when no record names it.
            try? files.remove(layout.bundle(key))
        }
    }

    private func evict(toFree bytes: Int) { evict(downTo: max(0, self.bytes - bytes), keeping: nil) }

    /// Removes bundles, the least recently used first, until no more than `target` bytes are left.
    private func evict(downTo target: Int, keeping newest: BundleKey?) {
        while let victim = state.withLock({ state -> BundleKey? in
            guard state.bundles.values.reduce(0, { $0 + $1.bytes }) > target else { return nil }
            return state.bundles.keys.filter { $0 != newest }
                .min { state.used[$0, default: 0] < state.used[$1, default: 0] }
        }) {
            forget(victim)
            try? catalogue.pool.write { try catalogue.removeBundle(victim, $0) }
        }
    }
}

/// Writes a bundle's file, hashing and counting.
private final class BundleSink: ByteSink {
    private let file: any WritableFile
    private let reservation: DiskBudget.Reservation
    private(set) var hash = SHA256Hash()
    private(set) var length = 0

    init(_ file: any WritableFile, _ reservation: DiskBudget.Reservation) {
        self.file = file
        self.reservation = reservation
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try reservation.use(bytes.count)
        hash.update(bytes)
        length += bytes.count
        try file.write(bytes)
    }

    func finish() {}
}
