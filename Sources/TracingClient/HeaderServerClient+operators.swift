internal import HeaderArchive
public import HeaderTransport
public import KernelHeaders
public import OperatorDocuments

/// What operators ask and change.
extension HeaderServerClient {
    /// The most pages followed: a list without end is no list.
    static let pageLimit = 10_000

    /// A kernel with headers; ``ServerRefusal`` with `kernel-has-no-headers` if there are none.
    public func kernel(_ id: BuildID) async throws -> KernelSummary {
        let (detail, server) = try await answer(of: id)
        guard let summary = detail.entry.summary else {
            let problem = Problem(.kernelHasNoHeaders, detail.absence ?? "The server has no headers of build ID \(id).")
            throw ServerRefusal(problem, server: server)
        }
        return summary
    }

    /// All that a server knows of one kernel.
    public func detail(of id: BuildID) async throws -> KernelDetail { try await answer(of: id).detail }

    private func answer(of id: BuildID) async throws -> (detail: KernelDetail, server: String) {
        try await question(APIPath.kernel(id)) { answer, _ in
            let detail = try answer.document(KernelDetail.self, limit: Self.documentLimit)
            let found = detail.entry.identity.buildID
            guard found == id else {
                throw TransportError.badAnswer(server: answer.server, what: "for another kernel, \(found)")
            }
            return (detail, answer.server)
        }
    }

    /// What the server's store holds.
    public func store() async throws -> StoreStatus { try await document(APIPath.store) }

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
        try await put(APIPath.pin(id) + APIPath.query([("reason", reason)]))
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
            (APIPath.dryRun, isDryRun ? "true" : "false"), ("days", days.map { "\($0)" }),
            ("newest", newest.map { "\($0)" }), ("bytes", bytes.map { "\($0)" }),
        ])
        // To delete many kernels takes as long as it takes.
        return try await post(APIPath.retention + query, isQuick: isDryRun)
    }

    // MARK: Upkeep

    /// How the verify of the server's store stands.
    public func verification() async throws -> StoreVerification { try await document(APIPath.verify) }

    /// Has the server read everything in its store, beginning now; it goes on after the answer.
    public func startVerify() async throws -> StoreVerification { try await post(APIPath.verify, isQuick: false) }

    /// The last collect of the server's store, or the one under way.
    public func collection() async throws -> StoreCollection { try await document(APIPath.collect) }

    /// Has the server remove what nothing in its store refers to; it goes on after the answer.
    ///
    /// - Parameter isDryRun: whether only to say what would go.
    public func startCollect(isDryRun: Bool) async throws -> StoreCollection {
        try await post(APIPath.collect + APIPath.query([(APIPath.dryRun, isDryRun ? "true" : nil)]), isQuick: false)
    }

    /// The last repack of the server's store, or the one under way.
    public func repacking() async throws -> StoreRepacking { try await document(APIPath.repack) }

    /// Has the server compress again, as tightly as pays, what came in fast; it goes on after the answer.
    public func startRepack() async throws -> StoreRepacking { try await post(APIPath.repack, isQuick: false) }
}
