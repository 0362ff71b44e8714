internal import GRDB

/// What the store's status counts and sums up, kept by triggers as rows come and go: blobs are too many to be counted for
/// each request. Since migration 6; filled from the tables as they are.
enum StoreTotals {
    private static let hasOtherKernel = "EXISTS (SELECT 1 FROM kernel WHERE tree ="

    /// - Parameter changes: assignments to columns of `total`.
    private static func trigger(_ table: String, _ event: String, of columns: String? = nil, _ changes: String)
        -> String
    {
        """
        CREATE TRIGGER total_\(table)_\(event.lowercased()) AFTER \(event)\(columns.map { " OF \($0)" } ?? "") ON \(table) BEGIN
            UPDATE total SET \(changes);
        END;
        """
    }

    private static func size(ofTree tree: String, _ sign: String) -> String {
        ["files": "files", "rawBytes": "bytes"].sorted { $0.key < $1.key }.map { total, column in
            "\(total) = \(total) \(sign) (SELECT \(column) FROM tree WHERE id = \(tree))"
        }.joined(separator: ", ")
    }

    static let blobTriggers = """
        \(trigger("blob", "INSERT", "blobs = blobs + 1, blobBytes = blobBytes + NEW.length"))
        \(trigger("blob", "DELETE", "blobs = blobs - 1, blobBytes = blobBytes - OLD.length"))
        """

    static let schema = """
        CREATE TABLE total (                 -- one row
            kernels INTEGER NOT NULL,
            trees INTEGER NOT NULL,
            deadTrees INTEGER NOT NULL,      -- that no kernel has
            conflicts INTEGER NOT NULL,
            blobs INTEGER NOT NULL,
            blobBytes INTEGER NOT NULL,
            files INTEGER NOT NULL,          -- of all kernels
            rawBytes INTEGER NOT NULL,       -- of all kernels
            packs INTEGER NOT NULL,
            packBytes INTEGER NOT NULL
        ) STRICT;
        INSERT INTO total SELECT (SELECT count(*) FROM kernel), (SELECT count(*) FROM tree),
            (SELECT count(*) FROM tree WHERE id NOT IN (SELECT tree FROM kernel)),
            (SELECT count(*) FROM conflict) + (SELECT count(*) FROM otherDigest),
            (SELECT count(*) FROM blob), (SELECT coalesce(sum(length), 0) FROM blob),
            (SELECT coalesce(sum(files), 0) FROM kernel JOIN tree ON tree.id = kernel.tree),
            (SELECT coalesce(sum(bytes), 0) FROM kernel JOIN tree ON tree.id = kernel.tree),
            (SELECT count(*) FROM pack WHERE NOT retired),
            (SELECT coalesce(sum(bytes), 0) FROM pack WHERE NOT retired);
        \(trigger("kernel", "INSERT", """
            kernels = kernels + 1, \(size(ofTree: "NEW.tree", "+")),
            deadTrees = deadTrees - (NOT \(hasOtherKernel) NEW.tree AND buildID != NEW.buildID))
            """))
        \(trigger("kernel", "DELETE", """
            kernels = kernels - 1, \(size(ofTree: "OLD.tree", "-")), deadTrees = deadTrees + (NOT \(hasOtherKernel) OLD.tree))
            """))
        \(trigger("tree", "INSERT", "trees = trees + 1, deadTrees = deadTrees + 1"))
        \(trigger("tree", "DELETE", "trees = trees - 1, deadTrees = deadTrees - 1"))
        \(blobTriggers)
        \(trigger("pack", "INSERT", "packs = packs + (NOT NEW.retired), packBytes = packBytes + (NOT NEW.retired) * NEW.bytes"))
        \(trigger("pack", "DELETE", "packs = packs - (NOT OLD.retired), packBytes = packBytes - (NOT OLD.retired) * OLD.bytes"))
        \(trigger("pack", "UPDATE", of: "bytes, retired", """
            packs = packs + (NOT NEW.retired) - (NOT OLD.retired),
            packBytes = packBytes + (NOT NEW.retired) * NEW.bytes - (NOT OLD.retired) * OLD.bytes
            """))
        \(["conflict", "otherDigest"].map {
            trigger($0, "INSERT", "conflicts = conflicts + 1") + trigger($0, "DELETE", "conflicts = conflicts - 1")
        }.joined())
        """

    /// All that the status has of the catalogue, in one row. What is not in `total` is read by indexes of what is damaged,
    /// of the kernels that hosts run, and of the packs that wait for a repack.
    static let query = """
        SELECT total.*, (SELECT count(*) FROM blob INDEXED BY blob_damaged WHERE damaged) AS lostBlobs,
            (SELECT count(*) FROM tree INDEXED BY tree_damaged CROSS JOIN kernel ON kernel.tree = tree.id
                WHERE damaged) AS damagedKernels,
            (SELECT count(*) FROM sighted INDEXED BY sighted_btfLost WHERE btfLost) AS lostBTF,
            (SELECT coalesce(sum(hosts), 0) FROM sighted INDEXED BY sighted_hosts WHERE hosts > 0) AS hosts,
            (SELECT count(*) FROM pack INDEXED BY pack_loose WHERE NOT tight AND bytes > 0) AS loosePacks,
            (SELECT coalesce(sum(bytes), 0) FROM pack INDEXED BY pack_loose
                WHERE NOT tight AND bytes > 0) AS loosePackBytes
        FROM total
        """
}
