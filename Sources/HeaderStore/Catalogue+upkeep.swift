internal import FoundationEssentials
internal import GRDB
internal import KernelHeaders

/// Damage, packs that are written anew, and how verify and collect stand.
extension Catalogue {
    // MARK: Damage

    func lostBlobs(_ database: Database) throws -> [PackIndex.Lost.Blob] {
        try Row.fetchAll(database, sql: "SELECT number, digest, length FROM blob WHERE damaged ORDER BY number")
            .map { .init(number: $0["number"], digest: $0["digest"], length: $0["length"]) }
    }

    /// What was lost with a pack, or with the one whose place it took.
    func lost(ofPack pack: Int, _ database: Database) throws -> PackIndex.Lost {
        let blobs = try Row.fetchAll(
            database, sql: "SELECT number, digest, length FROM blob WHERE damaged AND pack = ? ORDER BY number",
            arguments: [pack])
        let trees = try Row.fetchAll(
            database, sql: "SELECT digest, files, bytes FROM tree WHERE damaged = 2 AND pack = ? ORDER BY id",
            arguments: [pack])
        return PackIndex.Lost(
            blobs: blobs.map { .init(number: $0["number"], digest: $0["digest"], length: $0["length"]) },
            manifests: trees.map { .init(digest: $0["digest"], files: $0["files"], bytes: $0["bytes"]) })
    }

    /// The numbers of a pack's blobs, whatever its index says.
    func blobs(ofPack pack: Int, _ database: Database) throws -> Set<Int> {
        try Int.fetchSet(database, sql: "SELECT number FROM blob WHERE pack = ? AND NOT damaged", arguments: [pack])
    }

    /// Which of these blobs are in a pack.
    func blobs(_ numbers: [Int], inPack pack: Int, _ database: Database) throws -> Set<Int> {
        let statement = try database.cachedStatement(
            sql: "SELECT number FROM blob WHERE number = ? AND pack = ? AND NOT damaged")
        return Set(try numbers.compactMap { try Int.fetchOne(statement, arguments: [$0, pack]) })
    }

    func setLost(blobs: some Sequence<Int>, _ database: Database) throws {
        let statement = try database.cachedStatement(sql: "UPDATE blob SET damaged = 1 WHERE number = ?")
        for number in blobs { try statement.execute(arguments: [number]) }
    }

    func set(_ damage: TreeRow.Damage, ofTrees trees: some Sequence<Int>, _ database: Database) throws {
        // What is lost leans on nothing.
        let change = damage == .manifest ? "damaged = ?, parent = NULL, depth = 0" : "damaged = ?"
        let statement = try database.cachedStatement(sql: "UPDATE tree SET \(change) WHERE id = ?")
        for tree in trees { try statement.execute(arguments: [damage.rawValue, tree]) }
    }

    /// Puts on record which blobs a pack says were lost, as far as no other pack has them. All packs must be on record.
    func insert(lostBlobs blobs: [PackIndex.Lost.Blob], ofPack digest: Digest, _ database: Database) throws {
        for blob in blobs {
            try database.execute(
                sql: """
                    INSERT INTO blob (number, digest, length, pack, block, offset, damaged)
                    SELECT ?, ?, ?, id, 0, 0, 1 FROM pack WHERE digest = ? ON CONFLICT DO NOTHING
                    """, arguments: [blob.number, blob.digest, blob.length, digest])
        }
    }

    /// Puts on record which manifests a pack says were lost, as far as no pack has them so far.
    func insert(lostManifests trees: [PackIndex.Lost.Manifest], ofPack digest: Digest, _ database: Database) throws {
        for tree in trees {
            try database.execute(
                sql: """
                    INSERT INTO tree (digest, files, bytes, pack, offset, compressedLength, rawLength, depth, damaged)
                    SELECT ?, ?, ?, id, 0, 0, 0, 0, 2 FROM pack WHERE digest = ? ON CONFLICT DO NOTHING
                    """, arguments: [tree.digest, tree.files, tree.bytes, digest])
        }
    }

    // MARK: Trees

    /// All trees.
    func trees(_ database: Database) throws -> [TreeRow] { try trees(where: "TRUE", database) }

    /// Those whose manifests are in a pack.
    func trees(ofPack pack: Int, _ database: Database) throws -> [TreeRow] {
        try trees(where: "tree.pack = \(pack)", database)
    }

    func trees(where condition: String, _ database: Database) throws -> [TreeRow] {
        try TreeRow.fetchAll(database, sql: Self.treeQuery + " WHERE \(condition) ORDER BY tree.id")
    }

    /// The kernels that have one of these trees, by its number.
    func kernels(ofTrees trees: some Sequence<Int>, _ database: Database) throws -> [Int: [BuildID]] {
        let statement = try database.cachedStatement(sql: "SELECT buildID FROM kernel WHERE tree = ? ORDER BY buildID")
        var kernels: [Int: [BuildID]] = [:]
        for tree in trees { kernels[tree] = try BuildID.fetchAll(statement, arguments: [tree]) }
        return kernels
    }

    /// Whether a kernel that a pack tells of is the one that the store has.
    func has(_ kernel: KernelRecord, _ database: Database) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: """
                SELECT count(*) FROM kernel JOIN tree ON tree.id = kernel.tree
                WHERE buildID = ? AND tree.digest = ? AND archiveDigest = ? AND firstSeen = ?
                """)
        return try Bool.fetchOne(
            statement,
            arguments: [kernel.identity.buildID, kernel.treeDigest, kernel.archiveDigest, kernel.firstSeen]) ?? false
    }

    /// All kernels, as packs tell of them.
    func records(_ database: Database) throws -> [KernelRecord] {
        try Row.fetchAll(
            database,
            sql: "SELECT kernel.*, tree.digest AS treeDigest FROM kernel JOIN tree ON tree.id = kernel.tree"
        ).map { row in
            let release: String = row["release"]
            let architecture: String? = row["architecture"]
            let identity = KernelIdentity(
                buildID: row["buildID"], release: release.isEmpty ? nil : release, versionLine: row["versionLine"],
                architecture: architecture.map { Architecture(machine: $0) }, hasBTF: row["hasBTF"])
            return KernelRecord(
                identity: identity, source: HeaderSource(rawValue: row["source"]) ?? .agent,
                treeDigest: row["treeDigest"], archiveDigest: row["archiveDigest"], firstSeen: row["firstSeen"],
                origin: (row["origin"] as String?).flatMap { HeaderOrigin(rawValue: $0) }, uploader: row["uploader"])
        }
    }

    /// The first number that a new blob would get.
    func nextBlobNumber() throws -> Int { try pool.read { try nextBlobNumber($0) } }

    // MARK: Packs

    /// A pack's number and bytes. Those that a rebuild could not use are not among them: nothing of them is served, and
    /// they stay until somebody restores what they lack.
    func packs(_ database: Database) throws -> [(id: Int, digest: Digest, bytes: Int)] {
        try packs(after: 0, database)
    }

    /// As ``packs(_:)`` has it; nil if there is no such pack.
    func pack(_ digest: Digest, _ database: Database) throws -> (id: Int, bytes: Int)? {
        try Row.fetchOne(
            database, sql: "SELECT id, bytes FROM pack WHERE digest = ? AND NOT retired AND bytes > 0",
            arguments: [digest]
        ).map { ($0["id"], $0["bytes"]) }
    }

    /// The highest number of such a pack. That of one that is gone may come again with the very same pack.
    func lastPack(_ database: Database) throws -> Int {
        try Int.fetchOne(database, sql: "SELECT coalesce(max(id), 0) FROM pack WHERE NOT retired") ?? 0
    }

    /// Those that came after it.
    func packs(after last: Int, _ database: Database) throws -> [(id: Int, digest: Digest, bytes: Int)] {
        try Row.fetchAll(
            database, sql: "SELECT id, digest, bytes FROM pack WHERE NOT retired AND bytes > 0 AND id > ? ORDER BY id",
            arguments: [last]
        )
        .map { ($0["id"], $0["digest"], $0["bytes"]) }
    }

    /// Those whose blocks may become smaller, as ``packs(_:)`` has them.
    func loosePacks(_ database: Database) throws -> [(id: Int, digest: Digest, bytes: Int)] {
        try Row.fetchAll(
            database,
            sql: "SELECT id, digest, bytes FROM pack INDEXED BY pack_loose WHERE NOT tight AND bytes > 0 ORDER BY id"
        ).map { ($0["id"], $0["digest"], $0["bytes"]) }
    }

    /// Whether a pack's blocks can't be made smaller, as far as is known.
    func isTight(pack: Int, _ database: Database) throws -> Bool {
        try Bool.fetchOne(database, sql: "SELECT tight FROM pack WHERE id = ?", arguments: [pack]) ?? false
    }

    /// Notes that a pack's blocks can't be made smaller.
    func setTight(pack: Int, _ database: Database) throws {
        try database.execute(sql: "UPDATE pack SET tight = 1 WHERE id = ?", arguments: [pack])
    }

    /// The numbers of the trees that kernels have.
    func livingTrees(_ database: Database) throws -> Set<Int> {
        try Int.fetchSet(database, sql: "SELECT DISTINCT tree FROM kernel")
    }

    /// Packs whose place another has taken, and whose files are still there.
    func retiredPacks(_ database: Database) throws -> [Digest] {
        try Digest.fetchAll(database, sql: "SELECT digest FROM pack WHERE retired = 1")
    }

    /// A pack of the same bytes comes in again: its file is not to go.
    func forget(retiredPack digest: Digest, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM pack WHERE digest = ? AND retired", arguments: [digest])
    }

    /// Notes that another pack has taken this one's place, or nothing is left of it.
    func retire(pack digest: Digest, _ database: Database) throws {
        try database.execute(sql: "UPDATE pack SET retired = 1, bytes = 0 WHERE digest = ?", arguments: [digest])
    }

    /// Notes that their files are gone.
    func forget(retiredPacks packs: [Digest], _ database: Database) throws {
        for digest in packs {
            try database.execute(sql: "UPDATE pack SET retired = 2 WHERE digest = ?", arguments: [digest])
        }
    }

    // MARK: Documents

    func upkeep<Document: Decodable>(_ name: String, _ type: Document.Type, _ database: Database) throws -> Document? {
        let text = try String.fetchOne(
            database, sql: "SELECT document FROM upkeep WHERE name = ?", arguments: [name])
        return text.flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
    }

    func setUpkeep(_ name: String, _ document: some Encodable, _ database: Database) throws {
        let text = String(decoding: try JSONEncoder().encode(document), as: UTF8.self)
        try database.execute(
            sql: "INSERT OR REPLACE INTO upkeep (name, document) VALUES (?, ?)", arguments: [name, text])
    }
}
