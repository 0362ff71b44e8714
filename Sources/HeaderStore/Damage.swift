internal import GRDB
internal import HeaderArchive
internal import KernelHeaders

/// What is damaged in the store, and what that affects: puts it on record, and takes it off when uploads have brought it back.
///
/// Must run where ingests run, one after the other.
struct Damage {
    /// What a verify found of one pack.
    struct Finding {
        var blobs: Set<Int> = []
        /// By their numbers.
        var trees: Set<Int> = []
    }

    /// What it comes to.
    struct Consequences {
        var kernels: [BuildID] = []
        var paths: [HeaderPath] = []
    }

    let catalogue: Catalogue
    let content: ContentReader

    // MARK: Found

    /// Puts on record what is lost with a pack, and whatever leans on that; then writes the packs anew that it is in. Looks
    /// itself what is damaged: who found something while a collect was under way may have looked where it no longer was.
    ///
    /// - Returns: nil if nothing is, or the pack is no longer there.
    func lose(_ digest: Digest, by rewrite: PackRewrite) throws -> (Finding, Consequences)? {
        guard let finding = try PackExamination(catalogue: catalogue, layout: rewrite.layout).run(digest) else {
            return nil
        }
        var map = try PackMap(catalogue, rewrite.layout)
        var blobs = finding.blobs
        map.addDependents(of: &blobs)
        let rows = try catalogue.pool.read { try catalogue.trees($0) }
        var trees = finding.trees
        while case let children = rows.filter({ row in
            !trees.contains(row.id) && row.parent.map { trees.contains($0) } ?? false
        }), !children.isEmpty {
            trees.formUnion(children.map(\.id))
        }
        let (consequences, incomplete) = try consequences(of: blobs, trees, rows)
        try catalogue.write { database in
            try catalogue.setLost(blobs: blobs, database)
            try catalogue.set(.contents, ofTrees: incomplete, database)
            try catalogue.set(.manifest, ofTrees: trees, database)
        }
        content.contentsMoved()
        let lostTrees = Set(rows.filter { trees.contains($0.id) }.map(\.pack))
        try map.findKernelsOfUnreadable(catalogue)
        for pack in map.packs
        where pack.digest == digest || lostTrees.contains(pack.digest)
            || pack.blobs.contains(where: { blobs.contains($0.number) })
        {
            try rewrite.run(pack, isDead: { _ in false }, deadTrees: [], farewell: .quarantine)
        }
        return (finding, consequences)
    }

    private func consequences(
        of blobs: Set<Int>, _ trees: Set<Int>, _ rows: [TreeRow]
    ) throws -> (Consequences, incomplete: [Int]) {
        var walk = ManifestWalk(catalogue: catalogue, content: content)
        var paths: Set<HeaderPath> = []
        var incomplete: [Int] = []
        for row in rows where !trees.contains(row.id) && row.damage != .manifest && !blobs.isEmpty {
            guard let manifest = try PackReader.unlessDamaged({ try walk.manifest(row) }) else { continue }
            let hit = manifest.entries.filter { $0.isOne(of: blobs) }
            paths.formUnion(hit.map(\.path))
            if !hit.isEmpty { incomplete.append(row.id) }
        }
        let kernels = try catalogue.pool.read { try catalogue.kernels(ofTrees: incomplete + trees, $0) }
        return (
            Consequences(kernels: kernels.values.joined().sorted { "\($0)" < "\($1)" }, paths: paths.sorted()),
            incomplete
        )
    }

    // MARK: Told

    /// The files of a tree whose contents are lost, in the manifest's order; nil if the manifest is. Only reads, and so may run
    /// beside ingests.
    func lostPaths(ofTree digest: Digest) throws -> [HeaderPath]? {
        let (row, blobs) = try catalogue.pool.read { database in
            (try catalogue.tree(digest, database), Set(try catalogue.lostBlobs(database).map(\.number)))
        }
        guard let row, row.damage != .manifest else { return nil }
        var walk = ManifestWalk(catalogue: catalogue, content: content)
        let manifest = try PackReader.unlessDamaged { try walk.manifest(row) }
        return manifest?.entries.filter { $0.isOne(of: blobs) }.map(\.path)
    }

    // MARK: Brought back

    /// Looks at the damaged trees again.
    ///
    /// - Returns: kernels whose trees are whole again.
    @discardableResult
    func review() throws -> [BuildID] {
        try review(try catalogue.pool.read { try catalogue.trees(where: "tree.damaged = 1", $0) })
    }

    /// Looks at all trees.
    func reviewAll() throws {
        try review(try catalogue.pool.read { try catalogue.trees(where: "tree.damaged < 2", $0) })
    }

    @discardableResult
    private func review(_ rows: [TreeRow]) throws -> [BuildID] {
        let lost = Set(try catalogue.pool.read { try catalogue.lostBlobs($0) }.map(\.number))
        var walk = ManifestWalk(catalogue: catalogue, content: content)
        var whole: [Int] = []
        var incomplete: [Int] = []
        for row in rows {
            let isWhole =
                try PackReader.unlessDamaged({ try walk.manifest(row) }).map { lost.isDisjoint(with: $0.numbers) }
                ?? false
            if isWhole { whole.append(row.id) } else { incomplete.append(row.id) }
        }
        let healed = whole.filter { tree in rows.contains { $0.id == tree && $0.damage != .none } }
        return try catalogue.write { database in
            try catalogue.set(.none, ofTrees: whole, database)
            try catalogue.set(.contents, ofTrees: incomplete, database)
            return Array(try catalogue.kernels(ofTrees: healed, database).values.joined())
        }
    }
}

extension StoredManifest.Entry {
    fileprivate func isOne(of blobs: Set<Int>) -> Bool {
        if case .file(let number, _) = kind { blobs.contains(number) } else { false }
    }
}
