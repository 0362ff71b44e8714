internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// The bundles on disk: built when first asked for, once however many ask, and kept in a ``DerivedCache``.
final class BundleStore: Sendable {
    private let catalogue: Catalogue
    private let content: ContentReader
    private let files: any FileSystem
    private let layout: StoreLayout
    private let disk: DiskBudget
    let cache: DerivedCache<BundleRecord>
    private let queue = WorkQueue(label: "bundles", width: 2)
    private let building = Mutex<[BundleKey: Task<DerivedFile, any Error>]>([:])

    /// - Parameters:
    ///   - limit: bytes of bundles kept on disk.
    ///   - newest: of how many of the newest kernels bundles go last.
    init(
        catalogue: Catalogue, content: ContentReader, files: any FileSystem, layout: StoreLayout, disk: DiskBudget,
        limit: Int, newest: Int
    ) throws {
        self.catalogue = catalogue
        self.content = content
        self.files = files
        self.layout = layout
        self.disk = disk
        cache = try DerivedCache(
            catalogue: catalogue, files: files, layout: layout, disk: disk, limit: limit, newest: newest)
    }

    /// Bytes of all bundles on disk.
    var bytes: Int { cache.bytes }

    /// - Throws: `Problem` with `tree-unknown`, `store-damaged` or `disk-full`.
    func bundle(_ key: BundleKey) async throws -> DerivedFile {
        if let bundle = cache.open(key)?.files.first { return bundle }
        let task = building.withLock { building in
            if let running = building[key] { return running }
            // Its own task: it goes on for the others when the first who asked goes away.
            let task = Task { try await self.queue.run { try self.build(key) } }
            building[key] = task
            return task
        }
        // Open already: another bundle may push it out before all who wait have it.
        return try await task.value
    }

    private func build(_ key: BundleKey) throws -> DerivedFile {
        defer { building.withLock { $0[key] = nil } }
        // Somebody may have finished it between the look and the start.
        if let bundle = cache.open(key)?.files.first { return bundle }
        let tree = try content.tree(key.tree)
        let staged = try StagedDerivedFile("bundle", files: files, layout: layout, disk: disk)
        do {
            try write(tree, to: BundleRecipe.compressor(key.format, over: staged))
            let record = BundleRecord(
                recipe: BundleRecipe.name(key.format), digest: try staged.complete(), bytes: staged.length)
            guard let bundle = DerivedFile(path: staged.path, digest: record.digest, length: record.bytes) else {
                throw Problem(.internalError, "A bundle that was just written can't be read.")
            }
            try cache.publish([staged.path], as: record, for: key) { try catalogue.insert(record, for: key, $0) }
            return bundle
        } catch {
            try staged.discard()
            throw error
        }
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
}
