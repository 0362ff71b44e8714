internal import GRDB
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// What is known of kernels, trees, blobs, packs and bundles, in SQLite.
///
/// The row of a kernel is the commit point of its ingest: written in one transaction, synced (`synchronous=FULL`), after
/// the pack it refers to is durable. Reading methods may run at any time and see the state of one moment.
final class Catalogue: Sendable {
    let pool: DatabasePool

    /// Opens the catalogue, or makes it; only its owner and group can read it.
    ///
    /// - Throws: ``StoreOpenError``, which names the file and says what SQLite says; `SystemCallError`.
    init(path: String) throws {
        try Self.makeFile(path)
        do {
            pool = try Self.open(path)
        } catch let error as DatabaseError {
            let isDamaged = [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode)
            throw StoreOpenError(
                description: "\(path) can't be opened: \(error.message ?? "SQLite fails") "
                    + "(SQLite's error \(error.extendedResultCode.rawValue))."
                    + (isDamaged ? " Make it again: kheaderd rebuild --state its folder." : ""))
        }
    }

    /// As an empty file, if it is not there: SQLite would let everyone read it. Its journal takes its mode.
    private static func makeFile(_ path: String) throws {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o640))
        if descriptor < 0, errno == EEXIST { return }
        Glibc.close(try SystemCallError.check("open", path) { descriptor })
    }

    private static func open(_ path: String) throws -> DatabasePool {
        var configuration = GRDB.Configuration()
        configuration.prepareDatabase { database in
            // A journal that grew during a burst shrinks again.
            try database.execute(sql: "PRAGMA journal_size_limit = 1048576")
        }
        let pool = try DatabasePool(path: path, configuration: configuration)
        // Not in `prepareDatabase`: a pool sets its writer to NORMAL after that, with which the last transactions before a
        // power loss are gone.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        try CatalogueSchema.migrator.migrate(pool)
        return pool
    }

    /// Runs one transaction.
    ///
    /// - Throws: `Problem` with `disk-full`, or what SQLite says; nothing of the transaction is there then.
    func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
        do {
            return try pool.write(body)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            throw Problem(
                .diskFull, "The server's disk has no room for its catalogue. Tell its operator; try again later.")
        }
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
    var damage: Damage

    /// What a verify found.
    enum Damage: Int {
        case none, contents, manifest
    }

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
        damage = Damage(rawValue: row["damaged"]) ?? .none
    }
}

/// A blob's place.
struct BlobLocation: Sendable, Equatable {
    var number: Int
    var digest: Digest
    var length: Int
    var pack: Int
    var block: Int
    var offset: Int
    /// It is nowhere.
    var isLost: Bool

    var key: BlockKey { BlockKey(pack: pack, block: block) }
}
