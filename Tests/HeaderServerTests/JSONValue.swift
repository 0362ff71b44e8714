/// Any JSON, or what YAML says in its place.
enum JSONValue: Equatable, Decodable {
    case null
    case bool(Bool)
    case integer(Int)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// A member of an object, or nil.
    subscript(_ name: String) -> JSONValue? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// An object's members; none of anything else.
    var members: [String: JSONValue] { if case .object(let members) = self { members } else { [:] } }
    /// An array's items; none of anything else.
    var items: [JSONValue] { if case .array(let items) = self { items } else { [] } }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int? { if case .integer(let value) = self { value } else { nil } }

    /// All values in it, itself first, each with the path to it.
    func walk(_ path: String = "", _ visit: (String, JSONValue) throws -> Void) rethrows {
        try visit(path, self)
        for (name, value) in members { try value.walk("\(path)/\(name)", visit) }
        for (index, value) in items.enumerated() { try value.walk("\(path)/\(index)", visit) }
    }
}
