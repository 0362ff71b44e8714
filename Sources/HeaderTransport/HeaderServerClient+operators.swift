public import KernelHeaders

/// What operators ask and change.
extension HeaderServerClient {
    /// The most pages followed: a list without end is no list.
    static let pageLimit = 10_000

    /// A page of the list of kernels.
    public func kernels(_ query: KernelQuery = KernelQuery()) async throws -> KernelList {
        try await document(APIPath.kernels(query))
    }

    /// All kernels of the list, page after page.
    ///
    /// - Parameters:
    ///   - query: its cursor is of no matter.
    ///   - count: nil for as many as there are.
    public func allKernels(
        _ query: KernelQuery = KernelQuery(), atMost count: Int? = nil
    ) async throws -> [KernelEntry] {
        try await pages("kernels", atMost: count) { cursor in
            var query = query
            query.cursor = cursor
            let page = try await kernels(query)
            return (page.kernels, page.next)
        }
    }

    /// All hosts whose last report was of a kernel.
    ///
    /// - Parameter digest: instead of these, those that said that they have this, of headers or BTF.
    public func hosts(of id: BuildID, digest: Digest? = nil) async throws -> [HostEntry] {
        try await pages("hosts") { cursor in
            let page: HostList = try await document(APIPath.hosts(id, digest: digest, cursor: cursor))
            return (page.hosts, page.next)
        }
    }

    /// What is not the same on all hosts under one build ID.
    public func conflict(of id: BuildID) async throws -> KernelConflict {
        try await document(APIPath.conflicts(id))
    }

    /// All kernels with conflicts.
    public func allConflicts() async throws -> [KernelConflict] {
        try await pages("conflicts") { cursor in
            let page: ConflictList = try await document(APIPath.conflicts + APIPath.query([("cursor", cursor)]))
            return (page.conflicts, page.next)
        }
    }

    /// Which kernels the fleet runs, and what the server lacks of them.
    ///
    /// - Parameter limit: gaps, releases and conflicts each; nil for as many as the server gives.
    public func coverage(limit: Int? = nil) async throws -> Coverage {
        try await document(APIPath.coverage + APIPath.query([("limit", limit.map { "\($0)" })]))
    }

    private func pages<Row>(
        _ what: String, atMost count: Int? = nil,
        _ page: (_ cursor: String?) async throws -> (rows: [Row], next: String?)
    ) async throws -> [Row] {
        var rows: [Row] = []
        var cursor: String?
        for _ in 0..<Self.pageLimit {
            let page = try await page(cursor)
            rows += page.rows
            if let count, rows.count >= count { return Array(rows.prefix(count)) }
            guard let next = page.next else { return rows }
            // A page may be empty, and be followed by one that is not.
            guard next != cursor else { break }
            cursor = next
        }
        throw TransportError.badAnswer(server: serverNames, what: "a list of \(what) that does not end")
    }

    // MARK: Changes

    /// Pins a kernel on the first server that answers.
    ///
    /// - Returns: what is known of it then.
    public func pin(_ id: BuildID, reason: String?) async throws -> KernelDetail {
        let path = APIPath.pin(id) + APIPath.query([("reason", reason)])
        return try await ask(CurlRequest(method: .put, path: path, seconds: timeouts.document)) { transfer, server, _ in
            try Self.decode(KernelDetail.self, from: transfer, server)
        }
    }

    /// Lets a kernel be deleted again.
    public func unpin(_ id: BuildID) async throws { try await delete(APIPath.pin(id)) }

    /// Deletes a kernel.
    public func purge(_ id: BuildID, reason: String?) async throws {
        try await delete(APIPath.kernel(id) + APIPath.query([("reason", reason)]))
    }

    /// Removes the kernels that are not kept any longer, or asks which these are.
    ///
    /// - Parameters:
    ///   - days: for how long a kernel is kept that no host reports.
    ///   - newest: how many of the newest are kept in any case.
    ///   - bytes: what packs and BTF may take. As the other two: nil for the server's own rule.
    public func prune(isDryRun: Bool, days: Int?, newest: Int?, bytes: Int?) async throws -> PruneReport {
        let query = APIPath.query([
            ("dryRun", isDryRun ? "true" : "false"), ("days", days.map { "\($0)" }),
            ("newest", newest.map { "\($0)" }), ("bytes", bytes.map { "\($0)" }),
        ])
        // To delete many kernels takes as long as it takes.
        let request = CurlRequest(
            method: .post, path: APIPath.retention + query, body: .document([]),
            seconds: isDryRun ? timeouts.document : nil)
        return try await ask(request) { transfer, server, _ in
            try Self.decode(PruneReport.self, from: transfer, server)
        }
    }

    private func delete(_ path: String) async throws {
        try await ask(CurlRequest(method: .delete, path: path, seconds: timeouts.document)) { _, _, _ in }
    }
}
