internal import GRDB

/// The catalogue's tables. Migrations are only ever added.
enum CatalogueSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: kernels, trees, blobs, packs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE pack (
                        id INTEGER PRIMARY KEY,
                        digest BLOB NOT NULL UNIQUE,
                        bytes INTEGER NOT NULL,      -- of the file
                        blobs INTEGER NOT NULL       -- in it
                    ) STRICT;
                    CREATE TABLE blob (
                        number INTEGER PRIMARY KEY,  -- never used again for another blob
                        digest BLOB NOT NULL UNIQUE,
                        length INTEGER NOT NULL,
                        pack INTEGER NOT NULL REFERENCES pack (id),
                        block INTEGER NOT NULL,      -- in the pack
                        offset INTEGER NOT NULL      -- in the block's raw bytes
                    ) STRICT;
                    CREATE TABLE tree (
                        id INTEGER PRIMARY KEY,
                        digest BLOB NOT NULL UNIQUE,
                        files INTEGER NOT NULL,
                        bytes INTEGER NOT NULL,      -- of all files
                        pack INTEGER NOT NULL REFERENCES pack (id),
                        offset INTEGER NOT NULL,     -- of the manifest's frame, in the pack
                        compressedLength INTEGER NOT NULL,
                        rawLength INTEGER NOT NULL,
                        parent INTEGER REFERENCES tree (id),
                        depth INTEGER NOT NULL       -- parents above
                    ) STRICT;
                    CREATE INDEX tree_pack ON tree (pack);
                    CREATE TABLE kernel (
                        buildID BLOB PRIMARY KEY,
                        release TEXT NOT NULL,       -- empty if not known
                        versionLine TEXT,
                        architecture TEXT,
                        hasBTF INTEGER,
                        source TEXT NOT NULL,
                        tree INTEGER NOT NULL REFERENCES tree (id),
                        archiveDigest BLOB NOT NULL, -- of the upload as it was sent
                        firstSeen INTEGER NOT NULL,  -- seconds since 1970
                        lastSeen INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX kernel_release ON kernel (release, buildID);
                    CREATE TABLE conflict (
                        buildID BLOB NOT NULL,
                        treeDigest BLOB NOT NULL,    -- of the tree that was refused
                        source TEXT NOT NULL,
                        firstSeen INTEGER NOT NULL,
                        lastSeen INTEGER NOT NULL,
                        uploads INTEGER NOT NULL,
                        PRIMARY KEY (buildID, treeDigest)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE bundle (
                        treeDigest BLOB NOT NULL,
                        format TEXT NOT NULL,
                        recipe TEXT NOT NULL,        -- how it was made; another recipe makes other bytes
                        digest BLOB NOT NULL,
                        bytes INTEGER NOT NULL,
                        PRIMARY KEY (treeDigest, format)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("2: sightings") { database in
            try database.execute(
                sql: """
                    ALTER TABLE kernel ADD COLUMN origin TEXT;    -- where the agent found the headers; NULL if none sent them
                    ALTER TABLE kernel ADD COLUMN uploader BLOB;  -- the host, if it uploaded under a claim
                    ALTER TABLE conflict ADD COLUMN host BLOB;    -- that sent it last, if it did so under a claim
                    CREATE TABLE sighted (                        -- kernels that hosts run, with headers here or without
                        id INTEGER PRIMARY KEY,
                        buildID BLOB NOT NULL UNIQUE,
                        release TEXT,
                        versionLine TEXT,
                        architecture TEXT,
                        hasBTF INTEGER,
                        firstSeen INTEGER NOT NULL,
                        lastSeen INTEGER NOT NULL,
                        hosts INTEGER NOT NULL                    -- whose last report was of it
                    ) STRICT;
                    CREATE TABLE report (                         -- what agents find; many find the same
                        id INTEGER PRIMARY KEY,
                        digest BLOB NOT NULL UNIQUE,
                        steps TEXT NOT NULL                       -- JSON, as it was sent
                    ) STRICT;
                    CREATE TABLE finding (
                        kernel INTEGER NOT NULL REFERENCES sighted (id),
                        report INTEGER NOT NULL REFERENCES report (id),
                        hosts INTEGER NOT NULL,                   -- of which this is the last report
                        PRIMARY KEY (kernel, report)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX finding_report ON finding (report);
                    CREATE TABLE host (                           -- each with its last report
                        id BLOB PRIMARY KEY,
                        kernel INTEGER NOT NULL REFERENCES sighted (id),
                        bootID TEXT NOT NULL,
                        agent TEXT NOT NULL,
                        report INTEGER NOT NULL,
                        firstSeen INTEGER NOT NULL,
                        lastSeen INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE opinion (                        -- hosts' digests of what another host uploaded
                        buildID BLOB NOT NULL,
                        artefact TEXT NOT NULL,
                        host BLOB NOT NULL,
                        digest BLOB NOT NULL,
                        agrees INTEGER NOT NULL,
                        time INTEGER NOT NULL,
                        PRIMARY KEY (buildID, artefact, host)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE otherDigest (                    -- those that do not agree, each once
                        buildID BLOB NOT NULL,
                        artefact TEXT NOT NULL,
                        digest BLOB NOT NULL,
                        firstSeen INTEGER NOT NULL,
                        lastSeen INTEGER NOT NULL,
                        hosts INTEGER NOT NULL,                   -- that say so now
                        PRIMARY KEY (buildID, artefact, digest)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("3: precompiled headers") { database in
            try database.execute(
                sql: """
                    CREATE TABLE pch (
                        key BLOB PRIMARY KEY NOT NULL,
                        treeDigest BLOB NOT NULL,
                        rank TEXT NOT NULL,          -- who made it
                        digest BLOB NOT NULL,        -- of the PCH, and its bytes
                        bytes INTEGER NOT NULL,
                        zstdDigest BLOB NOT NULL,    -- of its compressed form, and its bytes
                        zstdBytes INTEGER NOT NULL,
                        document TEXT NOT NULL       -- what is known of it, as JSON
                    ) STRICT;
                    CREATE TABLE pchFailure (        -- builds that failed
                        key BLOB PRIMARY KEY NOT NULL,
                        code TEXT NOT NULL,
                        detail TEXT NOT NULL,
                        time INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE pchDemand (         -- what clients asked for, whichever the kernel
                        toolchain BLOB NOT NULL,
                        profile TEXT NOT NULL,       -- a name that is known on this server, or an ID
                        umbrella TEXT NOT NULL,
                        lastAsked INTEGER NOT NULL,
                        PRIMARY KEY (toolchain, profile, umbrella)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE pchDocument (       -- what clients and builders say of themselves: profiles, toolchains
                        kind TEXT NOT NULL,
                        id BLOB NOT NULL,
                        document TEXT NOT NULL,      -- JSON
                        lastAsked INTEGER NOT NULL,
                        PRIMARY KEY (kind, id)
                    ) STRICT;
                    CREATE TABLE smoke (             -- what became of compiling a small program with a tree's headers
                        treeDigest BLOB PRIMARY KEY NOT NULL,
                        recipe TEXT NOT NULL,        -- how it was tried; another recipe tries again
                        state TEXT NOT NULL,
                        compiler TEXT,
                        detail TEXT,
                        time INTEGER
                    ) STRICT;
                    CREATE INDEX kernel_tree ON kernel (tree);
                    """)
        }
        migrator.registerMigration("4: operators") { database in
            try database.execute(sql: KnownKernels.schema)
            try KnownKernels.fill(database)
        }
        migrator.registerMigration("5: upkeep: damage, packs written anew") { database in
            try database.execute(
                sql: """
                    -- 1: its contents are lost, on no disk; an upload brings them back under the same number
                    ALTER TABLE blob ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX blob_damaged ON blob (number) WHERE damaged;
                    -- 1: it lacks contents; 2: its manifest is lost
                    ALTER TABLE tree ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX tree_damaged ON tree (id) WHERE damaged;
                    -- 1: another has taken its place, and its file is to go; 2: it is gone. Rows stay, so that no pack gets
                    -- the number of another.
                    ALTER TABLE pack ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX pack_retired ON pack (id) WHERE retired;
                    CREATE TABLE upkeep (            -- how verify and collect stand
                        name TEXT PRIMARY KEY,
                        document TEXT NOT NULL       -- JSON
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("6: totals; conflicts that hosts took back") { database in
            try database.execute(sql: "DELETE FROM otherDigest WHERE hosts < 1")
            try database.execute(sql: StoreTotals.schema)
        }
        migrator.registerMigration("7: kernels know what damage took of them") { database in
            try database.execute(sql: KnownKernels.damageSchema)
        }
        migrator.registerMigration("8: contents may be stored more than once") { database in
            try database.execute(
                sql: """
                    CREATE TABLE newBlob (
                        number INTEGER PRIMARY KEY,  -- never used again for another blob
                        digest BLOB NOT NULL,        -- the same contents may have several numbers, each where it is read with others
                        length INTEGER NOT NULL,
                        pack INTEGER NOT NULL REFERENCES pack (id),
                        block INTEGER NOT NULL,      -- in the pack
                        offset INTEGER NOT NULL,     -- in the block's raw bytes
                        damaged INTEGER NOT NULL DEFAULT 0
                    ) STRICT;
                    INSERT INTO newBlob SELECT number, digest, length, pack, block, offset, damaged FROM blob;
                    DROP TABLE blob;
                    ALTER TABLE newBlob RENAME TO blob;
                    -- Eight bytes tell nearly all digests apart, and the whole ones would take as much room again.
                    CREATE INDEX blob_digest ON blob (substr(digest, 1, 8));
                    CREATE INDEX blob_damaged ON blob (number) WHERE damaged;
                    \(StoreTotals.blobTriggers)
                    """)
        }
        migrator.registerMigration("9: packs that a repack may make smaller") { database in
            try database.execute(
                sql: """
                    -- its blocks can't be made smaller, as far as is known
                    ALTER TABLE pack ADD COLUMN tight INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX pack_loose ON pack (id, digest, bytes) WHERE NOT tight AND bytes > 0;
                    """)
        }
        migrator.registerMigration("10: hosts are forgotten") { database in
            try database.execute(sql: Catalogue.forgettingSchema)
        }
        return migrator
    }
}
