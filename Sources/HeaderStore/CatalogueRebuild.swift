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
    private let files: any FileSystem
    private let logger: Logger

    /// - Parameters:
    ///   - folder: the store's.
    ///   - files: the calls by which its folder is changed.
    public init(folder: String, files: any FileSystem = PosixFileSystem(), logger: Logger) {
        layout = StoreLayout(root: folder)
        self.files = files
        self.logger = logger
    }

    /// A pack that is whole, without the open file: there may be more of them than a process may open.
    private struct Pack {
        var digest: Digest
        var bytes: Int
        var index: PackIndex
    }

    /// Reads every pack, checks it, and puts a new catalogue in the old one's place.
    ///
    /// - Throws: ``StoreOpenError`` if a server has the store; `Problem` with `store-damaged` if a pack lacks its ancestor.
    public func run(progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }) throws -> Report {
        let lock = try StoreLock.prepare(layout, files: files)
        defer { withExtendedLifetime(lock) {} }
        var report = Report()
        let packs = try readPacks(&report, progress)
        let staged = layout.stagingFile("catalogue")
        try fill(staged, Self.ancestorsFirst(packs), &report)
        // From here to the rename there is no catalogue, and a server refuses the folder. With the old one and without its
        // journal it would take the newest packs for uploads that were never acknowledged, and a journal without its
        // catalogue would be taken for the new one's.
        for suffix in ["", "-wal", "-shm"] { try files.remove(layout.catalogue + suffix) }
        try files.syncDirectory(layout.root)
        try files.rename(staged, to: layout.catalogue)
        try files.syncDirectory(layout.root)
        return report
    }

    private func readPacks(_ report: inout Report, _ progress: (Int, Int) -> Void) throws -> [Pack] {
        var packs: [Pack] = []
        let names = try FolderListing.names(in: layout.packs).sorted()
        for (position, name) in names.enumerated() {
            progress(position, names.count)
            guard let digest = Digest(name.prefix { $0 != "." }) else { continue }
            let reader = try PackReader(digest, layout: layout)
            if try reader.isIntact() {
                packs.append(Pack(digest: digest, bytes: reader.length, index: try reader.readIndex()))
            } else {
                logger.error("a pack is damaged", metadata: ["pack": "\(digest)"])
                report.damagedPacks.append(digest)
            }
        }
        return packs
    }

    private func fill(_ path: String, _ packs: [Pack], _ report: inout Report) throws {
        let catalogue = try Catalogue(path: path)
        try catalogue.write { database in
            for pack in packs {
                try catalogue.insert(pack: pack.digest, bytes: pack.bytes, index: pack.index, database)
                for kernel in pack.index.kernels { try catalogue.insert(kernel, database) }
            }
            // A damaged pack stays where it is until somebody restores it: most of its contents may be good.
            for digest in report.damagedPacks {
                try catalogue.insert(pack: digest, bytes: 0, index: PackIndex(), database)
            }
        }
        report.packs = packs.count
        report.kernels = packs.reduce(0) { $0 + $1.index.kernels.count }
        try catalogue.close()
        for suffix in ["-wal", "-shm"] { try files.remove(path + suffix) }
    }

    /// In the order in which the blobs came: a tree's parent came before it, and so did the tree of a kernel without blobs.
    private static func ancestorsFirst(_ packs: [Pack]) -> [Pack] {
        var waiting = packs.sorted { ($0.index.blobs.first?.number ?? .max) < ($1.index.blobs.first?.number ?? .max) }
        var known: Set<Digest> = []
        var ordered: [Pack] = []
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
