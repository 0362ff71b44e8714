internal import GRDB
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Logging

/// Brings folder and catalogue together at the start: what an interrupted write left is removed, what is missing is told.
struct StoreRecovery {
    let catalogue: Catalogue
    let layout: StoreLayout
    let files: any FileSystem
    let logger: Logger

    /// Must be called before the catalogue is opened, which makes it if there is none: with an empty one, every pack would
    /// look as if it had never been acknowledged.
    ///
    /// - Throws: ``StoreOpenError`` if there are packs and no catalogue.
    static func requireCatalogue(_ layout: StoreLayout) throws {
        let packs = try FolderListing.names(in: layout.packs)
        var status = stat()
        // SQLite takes an empty file, as a damaged file system may leave one, for an empty database.
        let hasCatalogue = stat(layout.catalogue, &status) == 0 && status.st_size > 0
        guard packs.isEmpty || hasCatalogue else {
            throw StoreOpenError(
                description: "\(layout.root) has \(packs.count) packs and no catalogue. "
                    + "Make it again: kheaderd rebuild --state \(layout.root)")
        }
    }

    func run() throws {
        for name in try FolderListing.names(in: layout.staging) { try removeStaged("\(layout.staging)/\(name)") }
        try removeRetiredPacks()
        try recoverPacks()
        try DerivedCache<BundleRecord>.recover(catalogue: catalogue, files: files, layout: layout)
        try DerivedCache<PCHRecord>.recover(catalogue: catalogue, files: files, layout: layout)
    }

    /// A file, or a ``StagingFolder``: what of that is not removed now is the next time.
    private func removeStaged(_ path: String) throws {
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            FolderRemoval.remove(path)
        } else {
            try files.remove(path)
        }
    }

    /// Those whose place another had taken before the crash.
    private func removeRetiredPacks() throws {
        let retired = try catalogue.pool.read { try catalogue.retiredPacks($0) }
        guard !retired.isEmpty else { return }
        for digest in retired { try files.remove(layout.pack(digest)) }
        try files.syncDirectory(layout.packs)
        try catalogue.write { try catalogue.forget(retiredPacks: retired, $0) }
    }

    /// A pack without a row was never acknowledged: its upload's answer was to be sent after the row was written.
    private func recoverPacks() throws {
        let known = Set(try catalogue.pool.read { try catalogue.packDigests($0) }.map { "\($0).khpack" })
        let present = Set(try FolderListing.names(in: layout.packs))
        let unknown = present.subtracting(known).filter { $0.hasSuffix(".khpack") }
        // Ingests run one after the other, so a crash leaves one (``UnsettledPacks``). More are those of a catalogue older
        // than the packs, from a backup perhaps: then they are all that is left of acknowledged kernels.
        guard unknown.count <= 1 else {
            throw StoreOpenError(
                description: "\(layout.root) has \(unknown.count) packs that its catalogue does not know. "
                    + "Make the catalogue again: kheaderd rebuild --state \(layout.root)")
        }
        for name in unknown {
            try files.remove("\(layout.packs)/\(name)")
            logger.notice("removed a pack that was never acknowledged", metadata: ["pack": "\(name)"])
        }
        for name in known.subtracting(present) {
            logger.error("a pack is missing; what it held can't be served", metadata: ["pack": "\(name)"])
        }
    }
}
