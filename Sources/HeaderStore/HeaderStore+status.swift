internal import GRDB
internal import Glibc
internal import HeaderArchive
public import OperatorDocuments

/// What is in the store, and what room there is.
extension HeaderStore {
    /// What the store holds and takes on disk.
    public func status() async throws -> StoreStatus {
        var status = try await catalogue.pool.read { [catalogue] in try catalogue.status($0) }
        status.catalogueBytes = ["", "-wal", "-shm"].reduce(0) { $0 + Self.fileSize(layout.catalogue + $1) }
        status.bundleBytes = bundles.bytes
        (status.btfKernels, status.btfBytes) = btf.status
        (status.pchs, status.pchBytes) = (pchs.count, pchs.bytes)
        (status.bundleLimit, status.pchLimit) = (options.bundleBytes, options.pchBytes)
        let quarantined = try FolderListing.names(in: layout.quarantine)
        status.quarantined = quarantined.count
        status.quarantinedBytes = quarantined.reduce(0) { $0 + Self.fileSize("\(layout.quarantine)/\($1)") }
        (status.verify, status.collect, status.repack) = (verification, collection, repacking)
        let space = try disk.space()
        (status.diskFreeBytes, status.diskReservedBytes) = (space.free, space.reserved)
        let fileSystem = try fileSystem()
        status.diskBytes = Int(fileSystem.f_blocks) * Int(fileSystem.f_frsize)
        status.isReadOnly = !hasRoomForUploads
        return status
    }

    /// The part of the store's disk that is free for it, 0 to 1.
    public func freeRatio() throws -> Double {
        let status = try fileSystem()
        return status.f_blocks == 0 ? 0 : Double(status.f_bavail) / Double(status.f_blocks)
    }

    private func fileSystem() throws -> statvfs {
        var status = statvfs()
        try SystemCallError.check("statvfs", layout.root) { statvfs(layout.root, &status) }
        return status
    }

    /// Whether anything more can be put on the disk, once derived data has given way.
    public var hasRoomForUploads: Bool {
        disk.hasRoom(for: 1, derived: bundles.bytes + pchs.bytes)
    }

    private static func fileSize(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
