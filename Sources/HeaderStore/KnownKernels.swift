internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// The table `sighted` as it is since migration 4: a row for each kernel that is known, which hosts run, or of which the store
/// has something or had. It has all that the list of kernels is filtered and sorted by, so that a page of it is a stretch of
/// one index: what other tables know of it, triggers keep up to date. They are about uploads, PCHs and conflicts; a
/// check-in of a known kernel sets off none of them.
enum KnownKernels {
    /// What filters ask for, in each index behind the order: rows that don't fit are passed over without a look at the table.
    private static let facets =
        "release, architecture, distribution, hasBTF, trust, btf, pch, conflicts, pinnedAt, purgedAt"

    /// `trust` is the position in ``HeaderSource``'s order.
    private static func trust(_ row: String) -> String {
        """
        CASE \(row).source WHEN 'agent' THEN 1 WHEN 'agreed' THEN 2 WHEN 'push' THEN 3 WHEN 'import' THEN 4 ELSE 0 END
        """
    }

    private static func hasPCH(ofTree tree: String) -> String {
        "EXISTS (SELECT 1 FROM pch JOIN tree ON tree.digest = pch.treeDigest WHERE tree.id = \(tree))"
    }

    private static func conflicts(of id: String) -> String {
        """
        (SELECT count(*) FROM conflict WHERE conflict.buildID = \(id))
            + (SELECT count(*) FROM otherDigest WHERE otherDigest.buildID = \(id))
        """
    }

    /// Enters kernels with headers; they are back if they were purged. Their labels count for more than what agents say.
    private static func enter(_ values: String) -> String {
        """
        INSERT INTO sighted (buildID, release, versionLine, architecture, hasBTF, firstSeen, lastSeen, hosts, trust, pch)
            \(values)
            ON CONFLICT (buildID) DO UPDATE SET
                release = CASE excluded.release WHEN '' THEN release ELSE excluded.release END,
                versionLine = coalesce(excluded.versionLine, versionLine),
                architecture = coalesce(excluded.architecture, architecture),
                hasBTF = coalesce(excluded.hasBTF, hasBTF), firstSeen = min(firstSeen, excluded.firstSeen),
                lastSeen = max(lastSeen, excluded.lastSeen), trust = excluded.trust, pch = excluded.pch,
                purgedAt = NULL, purgeReason = NULL;
        """
    }

    private static func values(_ kernel: String) -> String {
        """
        \(kernel).buildID, \(kernel).release, \(kernel).versionLine, \(kernel).architecture, \(kernel).hasBTF,
            \(kernel).firstSeen, \(kernel).lastSeen, 0, \(trust(kernel)), \(hasPCH(ofTree: "\(kernel).tree"))
        """
    }

    private static func recount(_ table: String) -> String {
        ["INSERT": "NEW", "DELETE": "OLD"].sorted { $0.key < $1.key }.map { event, row in
            """
            CREATE TRIGGER \(table)_\(event.lowercased()) AFTER \(event) ON \(table) BEGIN
                UPDATE sighted SET conflicts = \(conflicts(of: "\(row).buildID")) WHERE buildID = \(row).buildID;
            END;
            """
        }.joined(separator: "\n")
    }

    private static func lookForPCH(_ event: String, _ row: String) -> String {
        """
        CREATE TRIGGER pch_\(event.lowercased()) AFTER \(event) ON pch BEGIN
            UPDATE sighted SET pch = EXISTS (SELECT 1 FROM pch WHERE treeDigest = \(row).treeDigest)
                WHERE buildID IN (SELECT kernel.buildID FROM kernel JOIN tree ON tree.id = kernel.tree
                    WHERE tree.digest = \(row).treeDigest);
        END;
        """
    }

    /// One for each order.
    private static func indexes(_ facets: String) -> String {
        KernelQuery.Sort.allCases.map { sort -> String in
            let facets = facets.replacing("release, ", with: sort == .release ? "" : "release, ")
            return "CREATE INDEX sighted_\(sort.rawValue) ON sighted (\(sort.rawValue), buildID, \(facets));"
        }.joined(separator: "\n")
    }

    static let schema = """
        -- release is empty if it is not known, as in kernel
        ALTER TABLE sighted ADD COLUMN distribution TEXT;
        ALTER TABLE sighted ADD COLUMN trust INTEGER;                      -- whose word the headers are; NULL without headers
        ALTER TABLE sighted ADD COLUMN btf INTEGER NOT NULL DEFAULT 0;     -- whether the store has it
        ALTER TABLE sighted ADD COLUMN pch INTEGER NOT NULL DEFAULT 0;     -- whether there is one of the headers
        ALTER TABLE sighted ADD COLUMN conflicts INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE sighted ADD COLUMN pinnedAt INTEGER;
        ALTER TABLE sighted ADD COLUMN pinReason TEXT;
        ALTER TABLE sighted ADD COLUMN purgedAt INTEGER;                   -- NULL again when something of it is uploaded
        ALTER TABLE sighted ADD COLUMN purgeReason TEXT;
        CREATE INDEX pch_tree ON pch (treeDigest);
        CREATE INDEX host_kernel ON host (kernel, id);
        CREATE INDEX opinion_digest ON opinion (buildID, digest, host);
        UPDATE sighted SET release = '' WHERE release IS NULL;
        \(enter("SELECT \(values("kernel")) FROM kernel WHERE true"))
        UPDATE sighted SET conflicts = \(conflicts(of: "sighted.buildID"));
        \(indexes(facets))
        CREATE INDEX sighted_conflict ON sighted (buildID) WHERE conflicts > 0;
        CREATE TRIGGER kernel_insert AFTER INSERT ON kernel BEGIN
            \(enter("VALUES (\(values("NEW")))"))
        END;
        CREATE TRIGGER kernel_update AFTER UPDATE ON kernel BEGIN
            UPDATE sighted SET trust = \(trust("NEW")), pch = \(hasPCH(ofTree: "NEW.tree")),
                lastSeen = max(lastSeen, NEW.lastSeen) WHERE buildID = NEW.buildID;
        END;
        CREATE TRIGGER kernel_delete AFTER DELETE ON kernel BEGIN
            UPDATE sighted SET trust = NULL, pch = 0 WHERE buildID = OLD.buildID;
        END;
        \(recount("conflict"))
        \(recount("otherDigest"))
        \(lookForPCH("INSERT", "NEW"))
        \(lookForPCH("DELETE", "OLD"))
        """

    /// The damage of a kernel's tree. One trigger for all that enters a kernel: of several, SQLite says no order.
    private static func damage(ofTree tree: String) -> String { "(SELECT damaged FROM tree WHERE id = \(tree))" }

    /// Since migration 7.
    static let damageSchema = """
        ALTER TABLE sighted ADD COLUMN damage INTEGER NOT NULL DEFAULT 0;  -- as its tree has it
        ALTER TABLE sighted ADD COLUMN btfLost INTEGER NOT NULL DEFAULT 0; -- 1: the store had its BTF, and found it damaged
        UPDATE sighted SET damage = coalesce((SELECT damaged FROM kernel JOIN tree ON tree.id = kernel.tree
            WHERE kernel.buildID = sighted.buildID), 0);
        \(KernelQuery.Sort.allCases.map { "DROP INDEX sighted_\($0.rawValue);" }.joined(separator: "\n"))
        \(indexes("\(facets), damage, btfLost"))
        CREATE INDEX sighted_btfLost ON sighted (buildID) WHERE btfLost;
        DROP TRIGGER kernel_insert;
        CREATE TRIGGER kernel_insert AFTER INSERT ON kernel BEGIN
            \(enter("VALUES (\(values("NEW")))"))
            UPDATE sighted SET damage = \(damage(ofTree: "NEW.tree")) WHERE buildID = NEW.buildID;
        END;
        DROP TRIGGER kernel_delete;
        CREATE TRIGGER kernel_delete AFTER DELETE ON kernel BEGIN
            UPDATE sighted SET trust = NULL, pch = 0, damage = 0 WHERE buildID = OLD.buildID;
        END;
        CREATE TRIGGER kernel_damage AFTER UPDATE OF tree ON kernel BEGIN
            UPDATE sighted SET damage = \(damage(ofTree: "NEW.tree")) WHERE buildID = NEW.buildID;
        END;
        CREATE TRIGGER tree_damage AFTER UPDATE OF damaged ON tree BEGIN
            UPDATE sighted SET damage = NEW.damaged
                WHERE buildID IN (SELECT buildID FROM kernel WHERE tree = NEW.id);
        END;
        """

    /// What SQL can't tell of the rows that are there.
    static func fill(_ database: Database) throws {
        for row in try Row.fetchAll(database, sql: "SELECT id, release, versionLine FROM sighted") {
            guard let name = KernelDistribution.name(release: row["release"], versionLine: row["versionLine"]) else {
                continue
            }
            try database.cachedStatement(sql: "UPDATE sighted SET distribution = ? WHERE id = ?")
                .execute(arguments: [name, row["id"] as Int])
        }
    }
}
