import GRDB
import KHeaderTestSupport
import KernelHeaders

@testable import HeaderStore

/// A catalogue with as many kernels and hosts as a test wants, made by SQL alone: there is nothing in packs.
struct FilledCatalogue {
    let catalogue: Catalogue
    let kernels: Int

    /// - Parameters:
    ///   - kernels: every third without headers, every tenth of another architecture, few with conflicts or pins.
    ///   - hosts: each with the report of a kernel, all kernels with about as many.
    init(in folder: TemporaryFolder, kernels: Int, hosts: Int) throws {
        self.kernels = kernels
        catalogue = try Catalogue(path: folder.path("filled.sqlite"))
        try catalogue.write { database in
            try database.execute(
                sql: """
                    INSERT INTO pack (id, digest, bytes, blobs) VALUES (1, x'00', 0, 0);
                    INSERT INTO tree (id, digest, files, bytes, pack, offset, compressedLength, rawLength, depth)
                        VALUES (1, CAST(printf('%032d', 1) AS BLOB), 6, 45, 1, 0, 0, 0, 0);
                    INSERT INTO report (id, digest, steps) VALUES (1, x'01', '[{"origin":"sysfs","outcome":"missing"}]');
                    """)
            try database.execute(
                sql: """
                    WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?)
                    INSERT INTO sighted (id, buildID, release, architecture, hasBTF, firstSeen, lastSeen, hosts, distribution,
                        trust, btf, pch, conflicts, pinnedAt, purgedAt, damage, btfLost)
                    SELECT n + 1, CAST(printf('%020d', n * 7919 % 1000003) AS BLOB),
                        CASE n % 50 WHEN 0 THEN '' ELSE printf('6.%d.%d-%d-amd64', n % 13, n % 97, n / 4) END,
                        CASE n % 10 WHEN 0 THEN 'aarch64' ELSE 'x86_64' END, n % 7 != 0, 1000 + n * 31 % 5003,
                        7000 + n * 17 % 4001, n % 20, CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'ubuntu' ELSE 'debian' END,
                        CASE n % 3 WHEN 0 THEN NULL ELSE 1 + n % 4 END, n % 5 = 0, n % 6 = 0, n % 1000 = 7,
                        CASE n % 2000 WHEN 3 THEN 5 END, CASE n % 500 WHEN 9 THEN 6 WHEN 20 THEN 6 END,
                        n % 300 = 11, n % 250 = 4
                    FROM number
                    """, arguments: [kernels])
            try database.execute(
                sql: """
                    INSERT INTO kernel (buildID, release, source, tree, archiveDigest, firstSeen, lastSeen)
                        SELECT buildID, release, 'push', 1, x'02', firstSeen, lastSeen FROM sighted WHERE trust = 3
                            AND purgedAt IS NULL;
                    WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < \(hosts))
                    INSERT INTO host (id, kernel, bootID, agent, report, firstSeen, lastSeen)
                        SELECT CAST(printf('%016d', n) AS BLOB), 1 + n * 13 % \(kernels), 'boot', 'test/1', 1, 1, 2 FROM number;
                    """)
        }
    }

    /// All that the list says, in no order.
    func all() throws -> [KernelRow] {
        try catalogue.pool.read { try KernelRow.fetchAll($0, sql: KernelRow.query()) }
    }
}
