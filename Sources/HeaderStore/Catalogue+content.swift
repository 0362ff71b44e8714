internal import GRDB
internal import KernelHeaders

/// Blobs, trees and packs.
extension Catalogue {
    /// Where the store has the contents of a digest, the newest place first; or had them, and lost them.
    func places(of digest: Digest, _ database: Database) throws -> [(place: BlobPlace, isLost: Bool)] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT number, pack, block, length, damaged FROM blob
                WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 ORDER BY number DESC
                """)
        return try Row.fetchAll(statement, arguments: [digest]).map { row in
            (BlobPlace(number: row[0], block: BlockKey(pack: row[1], block: row[2]), length: row[3]), row[4])
        }
    }

    /// Where the blobs of these numbers are; `Problem` with `store-damaged` if one is not there.
    func locations(of numbers: [Int], _ database: Database) throws -> [BlobLocation] {
        let statement = try database.cachedStatement(
            sql: "SELECT digest, length, pack, block, offset, damaged FROM blob WHERE number = ?")
        return try numbers.map { number in
            guard let row = try Row.fetchOne(statement, arguments: [number]) else {
                throw Problem(
                    .storeDamaged, "The catalogue lacks blob \(number). Stop the server and run kheaderd rebuild.")
            }
            return BlobLocation(
                number: number, digest: row["digest"], length: row["length"], pack: row["pack"], block: row["block"],
                offset: row["offset"], isLost: row["damaged"])
        }
    }

    /// Higher than any that a blob ever had, those of removed blobs included.
    func nextBlobNumber(_ database: Database) throws -> Int {
        let next = try Int.fetchOne(database, sql: "SELECT coalesce(max(number) + 1, 0) FROM blob") ?? 0
        return max(next, try upkeep("nextBlob", Int.self, database) ?? 0)
    }

    func tree(_ digest: Digest, _ database: Database) throws -> TreeRow? {
        try TreeRow.fetchOne(database, sql: Self.treeQuery + " WHERE tree.digest = ?", arguments: [digest])
    }

    func tree(id: Int, _ database: Database) throws -> TreeRow? {
        try TreeRow.fetchOne(database, sql: Self.treeQuery + " WHERE tree.id = ?", arguments: [id])
    }

    /// The newest tree whose manifest is in this pack and that a kernel has: others may be gone any time.
    func tree(inPack pack: Int, _ database: Database) throws -> TreeRow? {
        try TreeRow.fetchOne(
            database,
            sql: Self.treeQuery + """
                 WHERE tree.pack = ? AND EXISTS (SELECT 1 FROM kernel WHERE kernel.tree = tree.id)
                    ORDER BY tree.id DESC LIMIT 1
                """, arguments: [pack])
    }

    /// Raw bytes of a tree's manifest, and of its parents'.
    func manifestBytes(ofTree id: Int, _ database: Database) throws -> Int {
        try Int.fetchOne(
            database,
            sql: """
                WITH RECURSIVE line (parent, bytes) AS (
                    SELECT parent, rawLength FROM tree WHERE id = ?
                    UNION ALL SELECT tree.parent, rawLength FROM line JOIN tree ON tree.id = line.parent
                ) SELECT sum(bytes) FROM line
                """, arguments: [id]) ?? 0
    }

    static let treeQuery = """
        SELECT tree.id, tree.digest, files, tree.bytes, pack.digest AS pack, offset, compressedLength, rawLength, parent, depth,
            damaged
        FROM tree JOIN pack ON pack.id = tree.pack
        """

    func packDigest(_ id: Int, _ database: Database) throws -> Digest? {
        let statement = try database.cachedStatement(sql: "SELECT digest FROM pack WHERE id = ?")
        return try Digest.fetchOne(statement, arguments: [id])
    }

    /// How many blobs came with each of these packs, and were not there before.
    func blobCounts(ofPacks packs: [Int], _ database: Database) throws -> [Int: Int] {
        let statement = try database.cachedStatement(sql: "SELECT blobs FROM pack WHERE id = ?")
        var counts: [Int: Int] = [:]
        for pack in packs { counts[pack] = try Int.fetchOne(statement, arguments: [pack]) }
        return counts
    }

    func hasPack(_ digest: Digest, _ database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT id FROM pack WHERE digest = ? AND NOT retired", arguments: [digest])
            != nil
    }

    func packDigests(_ database: Database) throws -> Set<Digest> {
        try Digest.fetchSet(database, sql: "SELECT digest FROM pack WHERE NOT retired")
    }

    /// How many blobs may be stored once more: there are never more copies than contents.
    func copiesLeft(_ database: Database) throws -> Int {
        let first = try Int.fetchOne(database, sql: "SELECT coalesce(sum(blobs), 0) FROM pack WHERE NOT retired") ?? 0
        let all = try Int.fetchOne(database, sql: "SELECT blobs FROM total") ?? 0
        return first - (all - first)
    }

    /// Makes a pack's own row.
    ///
    /// - Parameter isTight: whether its blocks can't be made smaller.
    /// - Returns: its number.
    func insertRow(
        ofPack digest: Digest, bytes: Int, blobs: [PackIndex.Blob], isTight: Bool, _ database: Database
    ) throws -> Int {
        // Of which it has the first copy.
        let statement = try database.cachedStatement(
            sql: """
                SELECT NOT EXISTS (SELECT 1 FROM blob
                    WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND number < ?2)
                """)
        let own = try blobs.filter { try Bool.fetchOne(statement, arguments: [$0.digest, $0.number]) ?? true }.count
        try database.execute(
            sql: "INSERT INTO pack (digest, bytes, blobs, tight) VALUES (?, ?, ?, ?)",
            arguments: [digest, bytes, own, isTight])
        return Int(database.lastInsertedRowID)
    }

    /// Makes the rows of a pack: its own, its blobs', its trees'. What was lost and is in it is lost no more.
    ///
    /// - Throws: `Problem` with `store-damaged` if a manifest's parent is not known.
    func insert(pack digest: Digest, bytes: Int, index: PackIndex, _ database: Database) throws {
        let pack = try insertRow(
            ofPack: digest, bytes: bytes, blobs: index.blobs, isTight: index.isFromTightIngest, database)
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO blob (number, digest, length, pack, block, offset) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (number) DO UPDATE SET pack = excluded.pack, block = excluded.block,
                    offset = excluded.offset, damaged = 0
                    WHERE damaged AND digest = excluded.digest
                """)
        for blob in index.blobs {
            try statement.execute(arguments: [blob.number, blob.digest, blob.length, pack, blob.block, blob.offset])
            guard database.changesCount == 1 else {
                throw DatabaseError(resultCode: .SQLITE_CONSTRAINT, message: "blob \(blob.number) is there")
            }
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
                    ON CONFLICT (digest) DO UPDATE SET pack = excluded.pack, offset = excluded.offset,
                        compressedLength = excluded.compressedLength, rawLength = excluded.rawLength,
                        parent = excluded.parent, depth = excluded.depth, damaged = 1
                        WHERE damaged = 2
                    """,
                arguments: [
                    manifest.digest, manifest.files, manifest.bytes, pack, manifest.offset, manifest.compressedLength,
                    manifest.rawLength, parent?.id, parent.map { $0.depth + 1 } ?? 0,
                ])
            guard database.changesCount == 1 else {
                throw DatabaseError(resultCode: .SQLITE_CONSTRAINT, message: "tree \(manifest.digest) is there")
            }
        }
    }
}
