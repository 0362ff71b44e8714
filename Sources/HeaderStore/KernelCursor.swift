internal import FoundationEssentials
internal import GRDB
internal import KernelHeaders
internal import OperatorDocuments

/// Where a page of the kernel list ended: opaque to clients, `<order>.<build ID>.<what it is sorted by>`. It names a place in
/// the order, not a row, so it stays right while kernels come and go.
struct KernelCursor: CustomStringConvertible, Equatable {
    /// What the list is in the order of.
    struct Order: Equatable {
        let sort: KernelQuery.Sort
        let isDescending: Bool

        init(_ query: KernelQuery) {
            sort = query.sort
            isDescending = query.isDescending ?? query.sort.isDescending
        }

        var column: String { sort.rawValue }
        var index: String { "sighted_\(sort.rawValue)" }
        /// What follows `ORDER BY`.
        var terms: String {
            let direction = isDescending ? "DESC" : "ASC"
            return "sighted.\(column) \(direction), sighted.buildID \(direction)"
        }
        var name: String { "\(sort.rawValue)-\(isDescending ? "desc" : "asc")" }

        /// The two values that what comes next is compared with.
        ///
        /// - Parameter place: nil for the beginning.
        func start(_ place: KernelCursor?) -> StatementArguments {
            if let place { return [place.value.databaseValue, place.id.databaseValue] }
            let value: DatabaseValue =
                switch (sort, isDescending) {
                case (.release, false): "".databaseValue
                // To SQLite, each blob is larger than any text.
                case (.release, true): Data().databaseValue
                case (_, let isDescending): (isDescending ? Int.max : Int.min).databaseValue
                }
            return [value, Data().databaseValue]
        }
    }

    /// What a kernel is sorted by.
    enum Value: Equatable {
        case text(String), number(Int)

        var databaseValue: DatabaseValue {
            switch self {
            case .text(let text): text.databaseValue
            case .number(let number): number.databaseValue
            }
        }
    }

    let order: Order
    let value: Value
    let id: BuildID

    init(order: Order, value: Value, id: BuildID) {
        self.order = order
        self.value = value
        self.id = id
    }

    init(_ order: Order, _ kernel: KernelEntry) {
        let value: Value =
            switch order.sort {
            case .release: .text(kernel.identity.release ?? "")
            case .lastSeen: .number(kernel.lastSeen)
            case .firstSeen: .number(kernel.firstSeen)
            case .hosts: .number(kernel.hosts)
            }
        self.init(order: order, value: value, id: kernel.identity.buildID)
    }

    /// - Throws: `Problem` with `parameter-malformed`, or `cursor-mismatch` if it was given for another order.
    init(_ text: String, for order: Order) throws {
        // By bytes: with a release that begins with a combining mark, the dot is no character of its own.
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 2, omittingEmptySubsequences: false)
        let names = KernelQuery.Sort.allCases.flatMap { ["\($0.rawValue)-asc", "\($0.rawValue)-desc"] }
        guard parts.count == 3, let name = String(parts[0]), names.contains(name),
            let id = String(parts[1]).flatMap({ BuildID($0) }), let rest = String(parts[2])
        else {
            throw Self.malformed
        }
        guard name == order.name else {
            throw Problem(
                .cursorMismatch,
                "The cursor is of the order \(name), and \(order.name) is asked for. Keep the order, or start without a cursor."
            )
        }
        self.order = order
        self.id = id
        if order.sort == .release {
            value = .text(rest)
        } else {
            guard let number = Int(rest) else { throw Self.malformed }
            value = .number(number)
        }
    }

    private static let malformed = Problem(
        .parameterMalformed, "The cursor is not one that this server gave. Start without a cursor.")

    var description: String {
        switch value {
        case .text(let text): "\(order.name).\(id).\(text)"
        case .number(let number): "\(order.name).\(id).\(number)"
        }
    }
}
