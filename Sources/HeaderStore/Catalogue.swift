internal import GRDB
internal import KernelHeaders

/// What is known of kernels, trees, blobs, packs and bundles, in SQLite.
///
/// The row of a kernel is the commit point of its ingest: written in one transaction, synced (`synchronous=FULL`), after
/// the pack it refers to is durable. Reading methods may run at any time and see the state of one moment.
final class Catalogue: Sendable {
    let pool: DatabasePool

    /// Opens the catalogue, or makes it.
    init(path: String) throws {
        var configuration = GRDB.Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = FULL")
            // A journal that grew during a burst shrinks again.
            try database.execute(sql: "PRAGMA journal_size_limit = 1048576")
        }
        pool = try DatabasePool(path: path, configuration: configuration)
        try CatalogueSchema.migrator.migrate(pool)
    }

    /// Writes the journal into the database and closes it.
    func close() throws {
        _ = try pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try pool.close()
    }
}

/// A tree, and where its manifest lies.
struct TreeRow: FetchableRecord, Sendable {
    var id: Int
    var digest: Digest
    var files: Int
    var bytes: Int
    /// The digest of the pack that has the manifest.
    var pack: Digest
    var offset: Int
    var compressedLength: Int
    var rawLength: Int
    var parent: Int?
    var depth: Int

    init(row: Row) throws {
        id = row["id"]
        digest = row["digest"]
        files = row["files"]
        bytes = row["bytes"]
        pack = row["pack"]
        offset = row["offset"]
        compressedLength = row["compressedLength"]
        rawLength = row["rawLength"]
        parent = row["parent"]
        depth = row["depth"]
    }
}

/// A blob's place.
struct BlobLocation: Sendable {
    var digest: Digest
    var length: Int
    var pack: Int
    var block: Int
    var offset: Int
}
