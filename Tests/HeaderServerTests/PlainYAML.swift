/// Reads the YAML that `openapi.yaml` is written in: maps and lists by indentation, `[a, b]`, `{}`, plain and quoted
/// words, text folded by `>-`. Refuses the rest, so that it never reads something else than YAML does; `make lint` reads
/// the file with a real parser.
struct PlainYAML {
    struct Flaw: Error, CustomStringConvertible {
        let description: String
    }

    private struct Line {
        let number: Int
        var indent: Int
        var text: Substring
    }

    private var lines: ArraySlice<Line>

    static func read(_ text: String) throws -> JSONValue {
        var reader = PlainYAML(lines: [])
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let content = line.drop { $0 == " " }
            if content.isEmpty || content.first == "#" { continue }
            guard content.last != " ", !content.contains("\t"), !content.contains(" #") || content.contains("\"") else {
                throw Flaw(description: "line \(index + 1) ends with a space or a comment, or has a tab")
            }
            reader.lines.append(Line(number: index + 1, indent: line.count - content.count, text: content))
        }
        let value = try reader.readBlock(0)
        if let line = reader.lines.first { throw Flaw(description: "line \(line.number) is indented wrongly") }
        return value
    }

    private mutating func readBlock(_ indent: Int) throws -> JSONValue {
        guard let first = lines.first, first.indent == indent else {
            throw Flaw(description: "line \(lines.first?.number ?? 0) is indented wrongly")
        }
        return first.text.hasPrefix("- ") ? try readList(indent) : try readMap(indent)
    }

    private mutating func readList(_ indent: Int) throws -> JSONValue {
        var items: [JSONValue] = []
        while var line = lines.first, line.indent == indent, line.text.hasPrefix("- ") {
            line.text = line.text.dropFirst(2)
            if Self.key(of: line.text) != nil {
                // A map whose first member stands behind the dash.
                line.indent += 2
                lines[lines.startIndex] = line
                items.append(try readMap(indent + 2))
            } else {
                lines.removeFirst()
                items.append(try Self.scalar(line.text, line.number))
            }
        }
        return .array(items)
    }

    private mutating func readMap(_ indent: Int) throws -> JSONValue {
        var members: [String: JSONValue] = [:]
        while let line = lines.first, line.indent == indent {
            guard let (key, rest) = Self.key(of: line.text), members[key] == nil else {
                throw Flaw(description: "line \(line.number) has no new key")
            }
            lines.removeFirst()
            switch rest {
            case ">-": members[key] = .string(readFolded(indent))
            case "":
                guard let next = lines.first, next.indent > indent else {
                    throw Flaw(description: "line \(line.number) has no value")
                }
                members[key] = try readBlock(next.indent)
            default: members[key] = try Self.scalar(rest, line.number)
            }
        }
        return .object(members)
    }

    private mutating func readFolded(_ indent: Int) -> String {
        let text = lines.prefix { $0.indent > indent }
        lines.removeFirst(text.count)
        return text.map { String($0.text) }.joined(separator: " ")
    }

    /// `key: rest` or `key:`; nil for what has none.
    private static func key(of text: Substring) -> (String, Substring)? {
        if text.first == "\"" {
            guard let end = text.dropFirst().firstIndex(of: "\""), text[end...].hasPrefix("\":") else { return nil }
            return (
                String(text[text.index(after: text.startIndex)..<end]), text[end...].dropFirst(2).drop { $0 == " " }
            )
        }
        if let colon = text.firstRange(of: ": ") {
            return (String(text[..<colon.lowerBound]), text[colon.upperBound...])
        }
        return text.last == ":" ? (String(text.dropLast()), "") : nil
    }

    private static func scalar(_ text: Substring, _ number: Int) throws -> JSONValue {
        switch text.first {
        case "\"" where text.last == "\"" && text.count > 1:
            let inner = String(text.dropFirst().dropLast())
            guard !inner.replacing("\\\"", with: "").contains("\"") else { break }
            return .string(inner.replacing("\\n", with: "\n").replacing("\\\"", with: "\""))
        case "'" where text.last == "'" && text.count > 1:
            let inner = text.dropFirst().dropLast()
            guard !inner.contains("'") else { break }
            return .string(String(inner))
        case "[" where text.last == "]":
            return .array(
                try text.dropFirst().dropLast().split(separator: ", ").map { try scalar($0, number) })
        case "{" where text == "{}": return .object([:])
        case let first? where first.isLetter || first.isNumber:
            // A colon and a space would be another map, which YAML does not have there.
            guard !text.contains(": "), !text.contains(" #") else { break }
            return plain(text)
        default: break
        }
        throw Flaw(description: "line \(number): what is \(text)?")
    }

    private static func plain(_ text: Substring) -> JSONValue {
        switch text {
        case "true": .bool(true)
        case "false": .bool(false)
        case "null": .null
        default: Int(text).map { .integer($0) } ?? .string(String(text))
        }
    }
}
