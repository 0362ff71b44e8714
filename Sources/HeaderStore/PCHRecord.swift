internal import GRDB
internal import KernelHeaders

/// A PCH on disk, as it is and compressed. Its document, which may have a hundred kilobytes, stays in the catalogue.
///
/// A file is named by its own digest, too: a key may get another PCH, by somebody whose word counts for more.
struct PCHRecord: Equatable, Sendable {
    /// Of the tree that it was made of.
    var tree: Digest
    var rank: String
    var digest: Digest
    var bytes: Int
    var zstdDigest: Digest
    var zstdBytes: Int
}

extension PCHRecord: DerivedRecord {
    static func folder(_ layout: StoreLayout) -> String { layout.pchs }

    static func all(_ catalogue: Catalogue, _ database: Database) throws -> [Digest: PCHRecord] {
        let query = "SELECT key, treeDigest, rank, digest, bytes, zstdDigest, zstdBytes FROM pch"
        var records: [Digest: PCHRecord] = [:]
        for row in try Row.fetchAll(database, sql: query) {
            records[row["key"]] = PCHRecord(
                tree: row["treeDigest"], rank: row["rank"], digest: row["digest"], bytes: row["bytes"],
                zstdDigest: row["zstdDigest"], zstdBytes: row["zstdBytes"])
        }
        return records
    }

    static func remove(_ key: Digest, _ catalogue: Catalogue, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM pch WHERE key = ?", arguments: [key])
    }

    /// How it is made is in its key.
    func isCurrent(_ key: Digest) -> Bool { true }

    func tree(of key: Digest) -> Digest { tree }

    func files(of key: Digest) -> [DerivedFileName] {
        let name = "\(key).\(digest).pch"
        return [
            DerivedFileName(name: name, digest: digest, bytes: bytes),
            DerivedFileName(name: "\(name).zst", digest: zstdDigest, bytes: zstdBytes),
        ]
    }
}
