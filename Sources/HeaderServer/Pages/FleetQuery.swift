import Hummingbird
import KernelHeaders
import OperatorDocuments

/// What the form of the fleet's page asks for: the API's query, as a person fills it in.
struct FleetQuery: Sendable {
    static let pageSize = 50
    private static let days = [(1, "a day"), (7, "a week"), (30, "30 days")]

    /// For the store.
    var query: KernelQuery
    /// As the form says it.
    let values: [String: String]

    /// - Throws: `Problem` with `parameter-malformed` for a value that is none.
    init(_ request: Request, now: Int) throws {
        query = try request.kernelQuery()
        query.limit = Self.pageSize
        if let text = query.releaseGlob, !text.contains(where: { "*?[".contains($0) }) {
            query.releaseGlob = "*\(text)*"
        }
        if case let days = try request.integer("seenDays", in: 0...3650, default: 0), days > 0 {
            query.seenSince = now - days * 86400
        }
        var values: [String: String] = [:]
        for name in Self.names { values[name] = request.query(name).flatMap { $0.isEmpty ? nil : $0 } }
        self.values = values
    }

    /// The names of the form's fields, which are those of the API, and those of the API that the form does not have.
    private static let names =
        ["releaseGlob", "release", "seenSince", order] + menus.map(\.name) + texts.map(\.name)
    private static let order = "order"

    private static let texts = [
        (name: "architecture", label: "Architecture", hint: "x86_64"),
        (name: "distribution", label: "Distribution", hint: "debian"),
    ]

    private static func isOrNot(_ yes: String, _ no: String) -> [(String, String)] {
        [("", "any"), ("true", yes), ("false", no)]
    }

    private static let menus: [(name: String, label: String, choices: [(String, String)])] = [
        ("headers", "Headers", isOrNot("here", "missing")),
        ("running", "Hosts", isOrNot("run it", "run it no more")),
        (
            "source", "Headers’ source",
            [("", "any")] + HeaderSource.allCases.reversed().map { ($0.rawValue, $0.rawValue) }
        ),
        (
            "sort", "Order",
            [("", "release"), ("hosts", "most hosts"), ("lastSeen", "last seen"), ("firstSeen", "newest")]
        ),
        ("btf", "BTF", isOrNot("here", "missing")),
        ("pch", "PCH", isOrNot("here", "missing")),
        ("conflict", "Conflicts", isOrNot("some", "none")),
        ("damaged", "Damaged", isOrNot("yes", "no")),
        ("pinned", "Pinned", isOrNot("yes", "no")),
        ("purged", "Deleted", isOrNot("yes", "no")),
        ("seenDays", "Seen within", [("", "any time")] + days.map { ("\($0.0)", $0.1) }),
    ]

    /// How many of the menus are always to be seen.
    private static let firstMenus = 4

    private var menuFields: [FleetView.Field] {
        Self.menus.map { menu in
            let value = values[menu.name] ?? ""
            let choices = menu.choices.map {
                FleetView.Choice(value: $0.0, name: $0.1, isChosen: $0.0 == value)
            }
            return FleetView.Field(
                parameter: menu.name, label: menu.label, value: value, hint: "", isMenu: true, choices: choices)
        }
    }

    private func textField(_ name: String, _ label: String, _ hint: String) -> FleetView.Field {
        FleetView.Field(
            parameter: name, label: label, value: values[name] ?? "", hint: hint, isMenu: false, choices: [])
    }

    var firstFields: [FleetView.Field] {
        [textField("releaseGlob", "Release", "6.1.*-amd64")] + menuFields.prefix(Self.firstMenus)
    }

    var otherFields: [FleetView.Field] {
        Self.texts.map { textField($0.name, $0.label, $0.hint) } + menuFields.dropFirst(Self.firstMenus)
    }

    /// Whether one of ``otherFields`` is set.
    var isDetailed: Bool { otherFields.contains { !$0.value.isEmpty } }

    /// Whether anything is left out.
    var isFiltered: Bool { values.contains { $0.key != "sort" && $0.key != Self.order } }

    var isFirstPage: Bool { query.cursor == nil }

    /// The page that begins at a cursor; nil for the first one.
    func path(cursor: String?) -> String {
        "/" + APIPath.query(values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + [("cursor", cursor)])
    }
}
