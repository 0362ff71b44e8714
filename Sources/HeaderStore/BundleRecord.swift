internal import GRDB
internal import KernelHeaders

/// A bundle on disk.
struct BundleRecord: Equatable, Sendable {
    /// How it was made; see ``BundleRecipe``.
    var recipe: String
    var digest: Digest
    var bytes: Int
}

extension BundleRecord: DerivedRecord {
    static func folder(_ layout: StoreLayout) -> String { layout.bundles }

    static func all(_ catalogue: Catalogue, _ database: Database) throws -> [BundleKey: BundleRecord] {
        try catalogue.bundles(database)
    }

    static func remove(_ key: BundleKey, _ catalogue: Catalogue, _ database: Database) throws {
        try catalogue.removeBundle(key, database)
    }

    func isCurrent(_ key: BundleKey) -> Bool { recipe == BundleRecipe.name(key.format) }

    func tree(of key: BundleKey) -> Digest { key.tree }

    func files(of key: BundleKey) -> [DerivedFileName] {
        [DerivedFileName(name: key.fileName, digest: digest, bytes: bytes)]
    }
}

/// Bundles.
extension Catalogue {
    func bundles(_ database: Database) throws -> [BundleKey: BundleRecord] {
        var bundles: [BundleKey: BundleRecord] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT * FROM bundle") {
            guard let format = BundleFormat(rawValue: row["format"]) else { continue }
            bundles[BundleKey(tree: row["treeDigest"], format: format)] = BundleRecord(
                recipe: row["recipe"], digest: row["digest"], bytes: row["bytes"])
        }
        return bundles
    }

    func insert(_ bundle: BundleRecord, for key: BundleKey, _ database: Database) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO bundle (treeDigest, format, recipe, digest, bytes) VALUES (?, ?, ?, ?, ?)",
            arguments: [key.tree, key.format.rawValue, bundle.recipe, bundle.digest, bundle.bytes])
    }

    func removeBundle(_ key: BundleKey, _ database: Database) throws {
        try database.execute(
            sql: "DELETE FROM bundle WHERE treeDigest = ? AND format = ?", arguments: [key.tree, key.format.rawValue])
    }
}
