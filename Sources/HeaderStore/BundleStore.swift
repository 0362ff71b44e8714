internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// The bundles on disk: built when first asked for, once however many ask, and kept in a ``DerivedCache``. Who wants to has
/// one while it is built.
final class BundleStore: Sendable {
    private let catalogue: Catalogue
    private let content: ContentReader
    private let files: any FileSystem
    private let layout: StoreLayout
    private let disk: DiskBudget
    let cache: DerivedCache<BundleRecord>
    private let queue = WorkQueue(label: "bundles", width: 2)
    private let builds = Mutex(Builds())

    private struct Builds {
        var running: [BundleKey: GrowingFile] = [:]
        /// Those who had the beginning of these were not told why the rest did not come.
        var failed: Set<BundleKey> = []
    }

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
        // Loads all that compresses: a library that is missing ends a server when it starts, not in the middle of its work.
        for format in BundleFormat.allCases { _ = BundleRecipe.name(format) }
        cache = try DerivedCache(
            catalogue: catalogue, files: files, layout: layout, disk: disk, limit: limit, newest: newest)
    }

    /// Bytes of all bundles on disk.
    var bytes: Int { cache.bytes }

    /// - Throws: `Problem` with `tree-unknown`, `store-damaged` or `disk-full`.
    func bundle(_ key: BundleKey) async throws -> DerivedFile {
        if let bundle = cache.open(key)?.files.first { return bundle }
        return try await build(key).whole()
    }

    /// As soon as there is something of it.
    ///
    /// - Throws: as ``bundle(_:)``. When the last try failed in the middle, all of it is waited for, so that it is this that
    ///   says why.
    func beginning(of key: BundleKey) async throws -> BundleAnswer {
        if let bundle = cache.open(key)?.files.first { return .whole(bundle) }
        if builds.withLock({ $0.failed.contains(key) }) { return .whole(try await build(key).whole()) }
        let file = build(key)
        let progress = try await file.progress(beyond: 0)
        return progress.whole.map { .whole($0) } ?? .growing(file)
    }

    /// Starts to build, unless somebody does so already.
    private func build(_ key: BundleKey) -> GrowingFile {
        builds.withLock { builds in
            if let running = builds.running[key] { return running }
            let file = GrowingFile()
            builds.running[key] = file
            // Its own task: it goes on for the others when the first who asked goes away.
            Task { try await queue.run { self.build(key, as: file) } }
            return file
        }
    }

    private func build(_ key: BundleKey, as file: GrowingFile) {
        let result = Result { try make(key, as: file) }
        builds.withLock { builds in
            builds.running[key] = nil
            switch result {
            case .success: builds.failed.remove(key)
            case .failure: if file.hasBegun { builds.failed.insert(key) }
            }
        }
        file.end(result)
    }

    /// - Returns: it, open already: another bundle may push it out before all who wait have it.
    private func make(_ key: BundleKey, as file: GrowingFile) throws -> DerivedFile {
        // Somebody may have finished it between the look and the start.
        if let bundle = cache.open(key)?.files.first { return bundle }
        let tree = try content.tree(key.tree)
        let staged = try StagedDerivedFile("bundle", files: files, layout: layout, disk: disk, grew: file.grew)
        do {
            try file.begin(staged.path)
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
        let reading = try TreeReading(content, of: tree)
        try writer.add(tree.manifest) { _, write in
            let bytes = try reading.next()
            try bytes.withUnsafeBytes { try write($0) }
        }
        try writer.finish()
    }
}
