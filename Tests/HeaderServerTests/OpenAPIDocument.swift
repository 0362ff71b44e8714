import FoundationEssentials
import HeaderArchive
import KHeaderTestSupport
import Testing

/// `openapi/openapi.yaml`, as far as an answer can be held against it.
struct OpenAPIDocument {
    let root: JSONValue

    init() throws {
        var components = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        components.removeLast(3)
        let bytes = try FileSource(path: components.joined(separator: "/") + "/openapi/openapi.yaml").readAll()
        root = try PlainYAML.read(String(decoding: bytes, as: UTF8.self))
    }

    /// `GET /v1/kernels` and what is said of it.
    var operations: [String: JSONValue] {
        var operations: [String: JSONValue] = [:]
        for (path, item) in root["paths"]?.members ?? [:] {
            for (method, operation) in item.members { operations["\(method.uppercased()) \(path)"] = operation }
        }
        return operations
    }

    /// The value that a `$ref` stands for, or the value itself.
    func resolved(_ value: JSONValue) throws -> JSONValue {
        guard let reference = value["$ref"]?.string else { return value }
        var found = root
        for name in reference.split(separator: "/").dropFirst() {
            found = try #require(found[String(name)], "\(reference)")
        }
        return found
    }

    /// What an operation answers with a status, or nil.
    func response(_ operation: JSONValue, _ status: Int) throws -> JSONValue? {
        try (operation["responses"]?["\(status)"]).map { try resolved($0) }
    }

    // MARK: Schemas

    /// What does not fit a schema, in sentences. Knows the keywords that the document uses.
    func flaws(of value: JSONValue, in schema: JSONValue, at path: String = "") throws -> [String] {
        let schema = try resolved(schema)
        var flaws: [String] = []
        func demand(_ isTrue: Bool, _ what: String) { if !isTrue { flaws.append("\(path) \(what): \(value)") } }
        for (keyword, rule) in schema.members {
            switch (keyword, rule) {
            case ("type", .string(let type)): demand(Self.type(of: value) == type, "is no \(type)")
            case ("const", _): demand(value == rule, "is not \(rule)")
            case ("enum", .array(let all)): demand(all.contains(value), "is none of \(all.count)")
            case ("minimum", .integer(let least)): demand(value.integer.map { $0 >= least } ?? true, "is too small")
            case ("maxLength", .integer(let most)):
                demand(value.string.map { $0.unicodeScalars.count <= most } ?? true, "is too long")
            case ("pattern", .string(let pattern)):
                let text = try #require(value.string)
                demand(try Regex(pattern).firstMatch(in: text) != nil, "is not like \(pattern)")
            case ("required", .array(let names)):
                for name in names.compactMap(\.string) { demand(value[name] != nil, "has no \(name)") }
            case ("properties", .object(let properties)):
                for (name, member) in value.members {
                    guard let property = properties[name] else { continue }
                    flaws += try self.flaws(of: member, in: property, at: "\(path)/\(name)")
                }
            case ("additionalProperties", .bool(false)):
                let known = schema["properties"]?.members ?? [:]
                for name in value.members.keys { demand(known[name] != nil, "has \(name)") }
            case ("items", _):
                for (index, item) in value.items.enumerated() {
                    flaws += try self.flaws(of: item, in: rule, at: "\(path)/\(index)")
                }
            case ("oneOf", .array(let schemas)):
                let fitting = try schemas.count { try self.flaws(of: value, in: $0).isEmpty }
                demand(fitting == 1, "fits \(fitting)")
            case ("description", _), ("example", _), ("default", _): break
            default: flaws.append("\(path): the test does not know \(keyword)")
            }
        }
        return flaws
    }

    private static func type(of value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .integer: "integer"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    // MARK: Answers

    /// How an answer differs from what is said of it.
    func flaws(of answer: HTTPAnswer, to operation: JSONValue) throws -> [String] {
        guard let response = try response(operation, answer.status) else {
            return ["\(answer.status) is not documented"]
        }
        var flaws: [String] = []
        for (name, header) in response["headers"]?.members ?? [:] {
            let header = try resolved(header)
            if let value = answer[name] {
                flaws += try self.flaws(of: .string(value), in: try #require(header["schema"]), at: name)
            } else if header["required"] == .bool(true) {
                flaws.append("\(name) is missing")
            }
        }
        let contents = response["content"]?.members ?? [:]
        // To HEAD, and to what only begins an upload, there is no body, whatever else the status comes with.
        let isEmpty = contents.isEmpty || (answer.body.isEmpty && answer["Upload-Offset"] != nil)
        guard let type = answer["Content-Type"] else { return isEmpty ? flaws : flaws + ["no Content-Type"] }
        if answer.body.isEmpty, contents[type] != nil { return flaws }
        // The parameters of multipart/byteranges are different each time.
        guard let content = contents[type] ?? contents[String(type.prefix { $0 != ";" })] else {
            return flaws + ["\(type) is not documented"]
        }
        if let schema = content["schema"] {
            let isJSON = type.hasSuffix("json")
            flaws += try self.flaws(of: isJSON ? try answer.decoded() : .string(answer.text), in: schema, at: "body")
        }
        return flaws
    }
}
