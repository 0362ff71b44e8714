internal import GRDB
public import KernelHeaders
public import OperatorDocuments

/// What operators see of the fleet's kernels, and what they change.
extension HeaderStore {
    /// A page of the list of all kernels that are known, with headers here or without.
    ///
    /// - Throws: `Problem` with `parameter-malformed` for a cursor that this store did not give, `cursor-mismatch` for one of
    ///   another order.
    public func kernels(_ query: KernelQuery) async throws -> KernelList {
        try await kernels(query, headersFolder: nil)
    }

    /// Kernels with headers in the order of release and build ID.
    ///
    /// - Parameters:
    ///   - release: only kernels with exactly this release; nil for all.
    ///   - pattern: only those whose `/lib/modules/RELEASE/build` matches it (SQLite's `GLOB`).
    ///   - cursor: ``KernelList/next`` of the page before.
    ///   - limit: kernels a page, at least 1.
    /// - Throws: `Problem` with `parameter-malformed` for a cursor that this store did not give.
    public func kernels(
        release: String? = nil, headersFolder pattern: String? = nil, after cursor: String? = nil, limit: Int
    ) async throws -> KernelList {
        var query = KernelQuery(limit: limit, cursor: cursor)
        query.release = release
        query.hasHeaders = true
        return try await kernels(query, headersFolder: pattern)
    }

    private func kernels(_ query: KernelQuery, headersFolder pattern: String?) async throws -> KernelList {
        let place = try query.cursor.map { try KernelCursor($0, for: KernelCursor.Order(query)) }
        let page = try await catalogue.pool.read { [catalogue] in
            try catalogue.kernels(query, headersFolder: pattern, after: place, limit: query.limit, $0)
        }
        return KernelList(kernels: page.rows.map { withBTF($0.entry) }, next: page.next?.description)
    }

    /// All that is known of a kernel.
    ///
    /// - Throws: `Problem` with `kernel-unknown`; `kernel-purged` if nothing of it is here and no host runs it.
    public func detail(of id: BuildID) async throws -> KernelDetail {
        let found = try await catalogue.pool.read { [catalogue, btf] database -> KernelDetail? in
            guard let entry = try catalogue.kernel(id, database)?.entry else { return nil }
            var detail = KernelDetail(entry: entry, artefacts: [])
            detail.reports = try catalogue.reports(of: id, limit: KernelDetail.maximumReports, database)
            if entry.conflicts > 0 {
                detail.conflict = KernelConflict(
                    buildID: id, release: entry.identity.release,
                    sides: try catalogue.sides(of: id, btf: btf.record(id)?.digest, database))
            }
            guard let tree = entry.headers?.treeDigest else { return detail }
            detail.addedBytes = try catalogue.packBytes(ofTreeAlone: tree, database)
            let bundles = try catalogue.bundles(of: tree, database)
            detail.artefacts = BundleFormat.allCases.map { format in
                let bundle = bundles[format]
                return KernelArtefact(
                    .headers, path: APIPath.bundle(id, format), bytes: bundle?.bytes, digest: bundle?.digest)
            }
            detail.artefacts += try catalogue.pchArtefacts(of: id, tree: tree, database)
            return detail
        }
        guard var detail = found else { throw try await absent(id, nil) }
        if let purge = detail.entry.purge, detail.entry.hosts == 0 { throw Catalogue.purged(id, purge) }
        if detail.entry.headers == nil { detail.absence = try await absent(id, detail.entry).detail }
        detail.entry = withBTF(detail.entry)
        detail.damage = try await damage(of: detail.entry)
        if let record = btf.record(id) {
            let artefact = KernelArtefact(
                .btf, path: APIPath.btfSection(id), bytes: record.bytes, digest: record.digest,
                storedBytes: record.storedBytes)
            detail.artefacts.insert(
                artefact, at: detail.artefacts.firstIndex { $0.kind == .pch } ?? detail.artefacts.endIndex)
        }
        return detail
    }

    /// What damage took of a kernel; nil if nothing.
    private func damage(of kernel: KernelEntry) async throws -> KernelDamage? {
        guard !kernel.damaged.isEmpty else { return nil }
        var paths: [HeaderPath]?
        var lost: [String] = []
        if kernel.damaged.contains(.headers), let headers = kernel.headers {
            paths = try await reads.run { [catalogue, content] in
                try Damage(catalogue: catalogue, content: content).lostPaths(ofTree: headers.treeDigest)
            }
            // None if an upload has just brought them back.
            lost.append(
                paths.map { "the contents of \($0.count) of the \(headers.files) files of its headers" }
                    ?? "the list of its headers' files, and so all of them")
        }
        if kernel.damaged.contains(.btf) { lost.append("its BTF") }
        let detail = """
            Damage on the server's disk took \(lost.joined(separator: ", and ")). The next host that reports this kernel is \
            asked to upload it again; kheader push and import bring it back, too.
            """
        return KernelDamage(detail: detail, paths: paths ?? [])
    }

    /// Hosts whose last report was of a kernel, in the order of their IDs.
    ///
    /// - Parameters:
    ///   - digest: instead of these, hosts that said that they have these headers or this BTF of it (``KernelConflict``).
    ///   - cursor: ``HostList/next`` of the page before.
    ///   - limit: hosts a page, at least 1.
    /// - Throws: `Problem` with `kernel-unknown`; `parameter-malformed` for a cursor that this store did not give.
    public func hosts(
        of id: BuildID, digest: Digest? = nil, after cursor: String? = nil, limit: Int
    ) async throws -> HostList {
        let last = try cursor.map { text in
            guard let host = HostID(text) else { throw Self.foreignCursor }
            return host
        }
        let hosts = try await catalogue.pool.read { [catalogue] database -> [HostEntry]? in
            guard try catalogue.kernel(id, database) != nil else { return nil }
            return try catalogue.hosts(of: id, digest: digest, after: last, limit: limit + 1, database)
        }
        guard let hosts else { throw try await absent(id, nil) }
        return HostList(
            hosts: Array(hosts.prefix(limit)), next: hosts.count > limit ? "\(hosts[limit - 1].host)" : nil)
    }

    /// What is not the same on all hosts under one build ID; without sides if nothing is.
    ///
    /// - Throws: `Problem` with `kernel-unknown`.
    public func conflict(of id: BuildID) async throws -> KernelConflict {
        let conflict = try await catalogue.pool.read { [catalogue, btf] database -> KernelConflict? in
            guard let entry = try catalogue.kernel(id, database)?.entry else { return nil }
            return KernelConflict(
                buildID: id, release: entry.identity.release,
                sides: try catalogue.sides(of: id, btf: btf.record(id)?.digest, database))
        }
        guard let conflict else { throw try await absent(id, nil) }
        return conflict
    }

    /// All kernels with conflicts, in the order of the build ID.
    ///
    /// - Parameters:
    ///   - cursor: ``ConflictList/next`` of the page before.
    ///   - limit: kernels a page, at least 1.
    /// - Throws: `Problem` with `parameter-malformed` for a cursor that this store did not give.
    public func conflicts(after cursor: String? = nil, limit: Int) async throws -> ConflictList {
        let last = try cursor.map { text in
            guard let id = BuildID(text) else { throw Self.foreignCursor }
            return id
        }
        let conflicts = try await catalogue.pool.read { [catalogue, btf] in
            try catalogue.conflicts(after: last, limit: limit + 1, btf: { btf.record($0)?.digest }, $0)
        }
        return ConflictList(
            conflicts: Array(conflicts.prefix(limit)),
            next: conflicts.count > limit ? "\(conflicts[limit - 1].buildID)" : nil)
    }

    private static let foreignCursor = Problem(
        .parameterMalformed, "The cursor is not one that this server gave. Start without a cursor.")

    /// Which kernels the fleet runs, and what of them is not here. Takes a look at each kernel that runs, at no host.
    ///
    /// - Parameter limit: gaps, releases and conflicts each, at least 1.
    public func coverage(limit: Int) async throws -> Coverage {
        let time = options.now()
        var coverage = try await catalogue.pool.read { [catalogue, btf] in
            try catalogue.coverage(at: time, limit: limit, btf: { btf.record($0)?.digest }, $0)
        }
        for (index, gap) in coverage.gaps.enumerated() {
            coverage.gaps[index].kernel = withBTF(gap.kernel)
            let id = gap.kernel.identity.buildID
            coverage.gaps[index].refusal =
                gap.lacks.compactMap { [checkIns] what in
                    checkIns.refusal(of: what == .headers ? .headers : .btf, id)
                }.first
        }
        return coverage
    }

    // MARK: Changes

    /// Pins a kernel, so that it is not deleted; with another reason if it is pinned already. Durable when it returns.
    ///
    /// - Returns: what is known of it then.
    /// - Throws: `Problem` with `kernel-unknown` or `kernel-purged`.
    public func pin(_ id: BuildID, reason: String? = nil) async throws -> KernelDetail {
        let mark = KernelMark(time: options.now(), reason: reason)
        disk.makeRoom()
        try await ingests.run { [catalogue] in try catalogue.write { try catalogue.pin(id, mark, $0) } }
        return try await detail(of: id)
    }

    /// Lets a kernel be deleted again; one that is not pinned may be already.
    ///
    /// - Throws: `Problem` with `kernel-unknown` or `kernel-purged`.
    public func unpin(_ id: BuildID) async throws {
        disk.makeRoom()
        try await ingests.run { [catalogue] in try catalogue.write { try catalogue.pin(id, nil, $0) } }
    }

    /// Deletes a kernel: its headers, its BTF, its conflicts. It is remembered with the reason until something of it is
    /// uploaded again, which the next host that runs it is asked for. What only it needed of packs is left to be collected.
    /// Durable when it returns.
    ///
    /// - Throws: `Problem` with `kernel-unknown`, `kernel-purged`, or `kernel-pinned`.
    public func purge(_ id: BuildID, reason: String? = nil) async throws {
        _ = try await purge(id, KernelMark(time: options.now(), reason: reason), unlessSeenAfter: nil)
    }

    /// - Parameter time: a kernel that was reported later, pinned or deleted stays as it is; nil to delete it in any case.
    /// - Returns: whether it was deleted.
    func purge(_ id: BuildID, _ mark: KernelMark, unlessSeenAfter time: Int?) async throws -> Bool {
        disk.makeRoom()
        // No upload of it may find it there in between, and be told that it is known.
        return try await ingests.run { [catalogue, btf, btfIngests, checkIns] in
            try btfIngests.runAndWait {
                let file = btf.record(id).map { btf.fileName(id, $0) }
                let isPurged = try catalogue.write { database in
                    if let time {
                        guard let entry = try catalogue.kernel(id, database)?.entry, entry.lastSeen <= time,
                            entry.pin == nil, entry.purge == nil
                        else { return false }
                    }
                    try catalogue.purge(id, mark, database)
                    if let file { try catalogue.setDoomed(true, btf: file, database) }
                    return true
                }
                guard isPurged else { return false }
                try checkIns.headersChanged([id])
                guard let file else { return true }
                try btf.remove(id)
                try catalogue.write { try catalogue.setDoomed(false, btf: file, $0) }
                return true
            }
        }
    }
}
