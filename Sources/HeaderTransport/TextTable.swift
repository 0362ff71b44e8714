/// Rows and columns for people: padded to the widest cell, two spaces between, nothing behind the last.
public struct TextTable: Sendable {
    /// Which side of its column a cell stands on.
    public enum Side: Sendable { case left, right }

    /// A column's head, and its cells' side.
    public struct Column: Sendable {
        let title: String
        let side: Side

        let limit: Int

        /// - Parameter limit: of a cell, in characters; one that is longer is cut, and ends with `…`.
        public init(_ title: String, _ side: Side = .left, limit: Int = .max) {
            self.title = title
            self.side = side
            self.limit = limit
        }

        /// Of kernels' releases, which are whatever hosts sent; Linux has at most 64 characters.
        public static let release = Column("RELEASE", limit: 64)
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    public init(_ columns: [Column]) { self.columns = columns }

    /// - Parameter cells: one a column; empty ones show as `-`.
    public mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "one cell a column")
        rows.append(
            zip(columns, cells).map { column, cell in
                // A cell is one line, whatever a server put into it.
                let line = Console.printable(cell, lineEnd: "?")
                guard line.count > column.limit else { return line.isEmpty ? "-" : line }
                return line.prefix(column.limit - 1) + "…"
            })
    }

    /// The lines, heads first, without a line end behind the last.
    public var text: String {
        let lines = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            var text = ""
            for (index, cell) in line.enumerated() {
                let padding = String(repeating: " ", count: widths[index] - cell.count)
                let isLast = index == line.count - 1
                switch columns[index].side {
                case .left: text += cell + (isLast ? "" : padding)
                case .right: text += padding + cell
                }
                if !isLast { text += "  " }
            }
            return text
        }.joined(separator: "\n")
    }
}
