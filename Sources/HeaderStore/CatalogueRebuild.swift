internal import GRDB
internal import HeaderArchive
public import KernelHeaders
public import Logging

/// Makes a store's catalogue again from its packs (promise 9): kernels, trees and blobs. What only the catalogue knew, the
/// last sightings and the conflicts, is lost.
public struct CatalogueRebuild {
    /// What was found.
    public struct Report: Codable, Sendable, Equatable {
        public var packs = 0
        public var kernels = 0
        /// Packs whose bytes no longer have the digest they are named by; nothing was taken from them.
        public var damagedPacks: [Digest] = []
    }

    private let layout: StoreLayout
    private let logger: Logger

    /// - Parameter folder: the store's.
    public init(folder: String, logger: Logger) {
        layout = StoreLayout(root: folder)
        self.logger = logger
    }

    /// Reads every pack, checks it, and puts a new catalogue in the old one's place.
    ///
    /// - Throws: ``StoreOpenError`` if a server has the store; `Problem` with `store-damaged` if a pack lacks its ancestor.
    public func run(progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }) throws -> Report {
        let files = PosixFileSystem()
        let lock = try StoreLock.prepare(layout, files: files)
        defer { withExtendedLifetime(lock) {} }
        let staged = layout.stagingFile("catalogue")
        var report = Report()
        var packs: [(reader: PackReader, index: PackIndex)] = []
        let names = try FolderListing.names(in: layout.packs).sorted()
        for (position, name) in names.enumerated() {
            progress(position, names.count)
            guard let digest = Digest(name.prefix { $0 != "." }) else { continue }
            let reader = try PackReader(digest, layout: layout)
            if try reader.isIntact() {
                packs.append((reader, try reader.readIndex()))
            } else {
                logger.error("a pack is damaged", metadata: ["pack": "\(digest)"])
                report.damagedPacks.append(digest)
            }
        }
        let catalogue = try Catalogue(path: staged)
        try catalogue.pool.write { database in
            for pack in Self.ancestorsFirst(packs) {
                try catalogue.insert(pack: pack.reader.digest, bytes: pack.reader.length, index: pack.index, database)
                for kernel in pack.index.kernels { try catalogue.insert(kernel, database) }
                report.packs += 1
                report.kernels += pack.index.kernels.count
            }
        }
        try catalogue.close()
        for suffix in ["-wal", "-shm"] {
            try files.remove(layout.catalogue + suffix)
            try files.remove(staged + suffix)
        }
        try files.rename(staged, to: layout.catalogue)
        try files.syncDirectory(layout.root)
        return report
    }

    /// In the order in which the blobs came: a tree's parent came before it, and so did the tree of a kernel without blobs.
    private static func ancestorsFirst(
        _ packs: [(reader: PackReader, index: PackIndex)]
    ) -> [(reader: PackReader, index: PackIndex)] {
        var waiting = packs.sorted { ($0.index.blobs.first?.number ?? .max) < ($1.index.blobs.first?.number ?? .max) }
        var known: Set<Digest> = []
        var ordered: [(reader: PackReader, index: PackIndex)] = []
        while let next = waiting.firstIndex(where: { pack in
            let own = Set(pack.index.manifests.map(\.digest))
            return pack.index.manifests.allSatisfy { $0.parent.map { known.contains($0) || own.contains($0) } ?? true }
                && pack.index.kernels.allSatisfy { known.contains($0.treeDigest) || own.contains($0.treeDigest) }
        }) {
            let pack = waiting.remove(at: next)
            known.formUnion(pack.index.manifests.map(\.digest))
            ordered.append(pack)
        }
        // What is left lacks an ancestor; inserting it says which.
        return ordered + waiting
    }
}
