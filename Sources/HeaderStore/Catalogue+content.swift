internal import GRDB
internal import KernelHeaders

/// Blobs, trees and packs.
extension Catalogue {
    /// The number of a blob and the pack it came with, or nil if the store lacks it.
    func blobNumber(_ digest: Digest, _ database: Database) throws -> (number: Int, pack: Int)? {
        let statement = try database.cachedStatement(sql: "SELECT number, pack FROM blob WHERE digest = ?")
        return try Row.fetchOne(statement, arguments: [digest]).map { ($0["number"], $0["pack"]) }
    }

    /// Where the blobs of these numbers are; `Problem` with `store-damaged` if one is not there.
    func locations(of numbers: [Int], _ database: Database) throws -> [BlobLocation] {
        let statement = try database.cachedStatement(
            sql: "SELECT digest, length, pack, block, offset FROM blob WHERE number = ?")
        return try numbers.map { number in
            guard let row = try Row.fetchOne(statement, arguments: [number]) else {
                throw Problem(
                    .storeDamaged, "The catalogue lacks blob \(number). Stop the server and run kheaderd rebuild.")
            }
            return BlobLocation(
                digest: row["digest"], length: row["length"], pack: row["pack"], block: row["block"],
                offset: row["offset"])
        }
    }

    func nextBlobNumber(_ database: Database) throws -> Int {
        try Int.fetchOne(database, sql: "SELECT coalesce(max(number) + 1, 0) FROM blob") ?? 0
    }

    func tree(_ digest: Digest, _ database: Database) throws -> TreeRow? {
        try TreeRow.fetchOne(database, sql: Self.treeQuery + " WHERE tree.digest = ?", arguments: [digest])
    }

    func tree(id: Int, _ database: Database) throws -> TreeRow? {
        try TreeRow.fetchOne(database, sql: Self.treeQuery + " WHERE tree.id = ?", arguments: [id])
    }

    /// The newest tree whose manifest came with this pack.
    func tree(inPack pack: Int, _ database: Database) throws -> TreeRow? {
        try TreeRow.fetchOne(
            database, sql: Self.treeQuery + " WHERE tree.pack = ? ORDER BY tree.id DESC LIMIT 1", arguments: [pack])
    }

    private static let treeQuery = """
        SELECT tree.id, tree.digest, files, tree.bytes, pack.digest AS pack, offset, compressedLength, rawLength, parent, depth
        FROM tree JOIN pack ON pack.id = tree.pack
        """

    func packDigest(_ id: Int, _ database: Database) throws -> Digest? {
        try Digest.fetchOne(database, sql: "SELECT digest FROM pack WHERE id = ?", arguments: [id])
    }

    /// How many blobs came with each of these packs.
    func blobCounts(ofPacks packs: [Int], _ database: Database) throws -> [Int: Int] {
        let statement = try database.cachedStatement(sql: "SELECT blobs FROM pack WHERE id = ?")
        var counts: [Int: Int] = [:]
        for pack in packs { counts[pack] = try Int.fetchOne(statement, arguments: [pack]) }
        return counts
    }

    func hasPack(_ digest: Digest, _ database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT id FROM pack WHERE digest = ?", arguments: [digest]) != nil
    }

    func packDigests(_ database: Database) throws -> Set<Digest> {
        try Digest.fetchSet(database, sql: "SELECT digest FROM pack")
    }

    /// Makes the rows of a pack: its own, its blobs', its trees'.
    ///
    /// - Throws: `Problem` with `store-damaged` if a manifest's parent is not known.
    func insert(pack digest: Digest, bytes: Int, index: PackIndex, _ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO pack (digest, bytes, blobs) VALUES (?, ?, ?)",
            arguments: [digest, bytes, index.blobs.count])
        let pack = database.lastInsertedRowID
        let statement = try database.cachedStatement(
            sql: "INSERT INTO blob (number, digest, length, pack, block, offset) VALUES (?, ?, ?, ?, ?, ?)")
        for blob in index.blobs {
            try statement.execute(arguments: [blob.number, blob.digest, blob.length, pack, blob.block, blob.offset])
        }
        for manifest in index.manifests {
            let parent = try manifest.parent.map { digest in
                guard let row = try tree(digest, database) else {
                    throw Problem(.storeDamaged, "The pack with the manifest of tree \(digest) is missing. Restore it.")
                }
                return row
            }
            try database.execute(
                sql: """
                    INSERT INTO tree (digest, files, bytes, pack, offset, compressedLength, rawLength, parent, depth)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    manifest.digest, manifest.files, manifest.bytes, pack, manifest.offset, manifest.compressedLength,
                    manifest.rawLength, parent?.id, parent.map { $0.depth + 1 } ?? 0,
                ])
        }
    }
}
