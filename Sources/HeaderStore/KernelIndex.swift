internal import GRDB
internal import KernelHeaders
internal import Synchronization

/// The kernels that the catalogue knows, and each one's tree, in memory: what a request for headers asks first.
///
/// It is right at once. SQLite tells of each row that the catalogue's one writer changes, and what a transaction changed is
/// read again right behind its commit, before whoever wrote is told; what is rolled back changes nothing here. Told of are
/// the rows of `sighted`: a kernel whose headers come or go has its row there changed by triggers (``KnownKernels``), and
/// `kernel` itself is WITHOUT ROWID, of which SQLite tells nothing.
///
/// Memory: 250 bytes a kernel, by the resident set of a server with 100,000.
final class KernelIndex: TransactionObserver, Sendable {
    enum Standing: Equatable, Sendable {
        /// Nobody who is remembered said anything of it.
        case unknown
        /// A host ran it, or the store has its BTF, or had its headers.
        case withoutHeaders
        case headers(tree: Digest)
    }

    private struct State {
        /// Nil for no headers.
        var trees: [BuildID: Digest?] = [:]
        /// Whether what is here is what the catalogue has.
        var isCurrent = false
        /// Of the transaction under way.
        var changed: Set<Int64> = []
        var isAllChanged = false
    }

    /// The columns of `sighted` that change with a kernel's headers.
    private static let columns: Set = ["id", "buildID", "trust"]

    private let state = Mutex(State())

    init(_ pool: DatabasePool) throws {
        // No transaction may come between the two.
        try pool.writeWithoutTransaction { database in
            database.add(transactionObserver: self)
            try fill(database)
        }
    }

    /// Nil if the catalogue has to be asked: it could not be read when it changed.
    func standing(of id: BuildID) -> Standing? {
        state.withLock { state in
            guard state.isCurrent else { return nil }
            return switch state.trees[id] {
            case nil: .unknown
            case .some(nil): .withoutHeaders
            case .some(let tree?): .headers(tree: tree)
            }
        }
    }

    private static let query = """
        SELECT sighted.buildID, tree.digest FROM sighted
            LEFT JOIN kernel ON kernel.buildID = sighted.buildID LEFT JOIN tree ON tree.id = kernel.tree
        """

    private func fill(_ database: Database) throws {
        var trees: [BuildID: Digest?] = [:]
        let rows = try Row.fetchCursor(database, sql: Self.query)
        while let row = try rows.next() { trees.updateValue(row[1], forKey: row[0]) }
        state.withLock { ($0.trees, $0.isCurrent) = (trees, true) }
    }

    // MARK: What SQLite tells

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool {
        switch eventKind {
        case .insert("sighted"), .delete("sighted"): true
        case .update("sighted", let columns): !columns.isDisjoint(with: Self.columns)
        default: false
        }
    }

    func databaseDidChange(with event: DatabaseEvent) {
        // Of a row that is gone nobody can say which kernel it was.
        let isGone = event.kind == .delete
        state.withLock { state in
            if isGone { state.isAllChanged = true } else { state.changed.insert(event.rowID) }
        }
    }

    func databaseDidCommit(_ database: Database) {
        let (changed, isAllChanged) = state.withLock { state in
            defer { (state.changed, state.isAllChanged) = ([], false) }
            return (state.changed, state.isAllChanged || (!state.changed.isEmpty && !state.isCurrent))
        }
        do {
            if isAllChanged { return try fill(database) }
            guard !changed.isEmpty else { return }
            let statement = try database.cachedStatement(sql: Self.query + " WHERE sighted.id = ?")
            let rows = try changed.compactMap { try Row.fetchOne(statement, arguments: [$0]) }
            state.withLock { state in
                for row in rows { state.trees.updateValue(row[1], forKey: row[0]) }
            }
        } catch {
            state.withLock { ($0.trees, $0.isCurrent) = ([:], false) }
        }
    }

    func databaseDidRollback(_ database: Database) {
        state.withLock { ($0.changed, $0.isAllChanged) = ([], false) }
    }
}
