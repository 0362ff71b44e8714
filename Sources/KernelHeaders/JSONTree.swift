/// A JSON text (RFC 8259) as a value, for the few documents of a check-in.
///
/// By hand, beside Foundation's coders, which everything else uses: to start those up takes an agent that has nothing to
/// upload half as long again as all else it does, and megabytes. Tests hold the two against each other.
package indirect enum JSONTree: Equatable, Sendable {
    case null
    case bool(Bool)
    /// As it was written; every number of these documents is an integer.
    case number(String)
    case string(String)
    case array([JSONTree])
    case object([String: JSONTree])

    /// The text is no JSON, or not the document that was expected.
    package struct Malformed: Error, Equatable {}

    /// The deepest nesting taken. Documents have three levels; what is deeper must not overflow the stack.
    static let maximumDepth = 32

    package init(_ number: Int) { self = .number("\(number)") }

    // MARK: Reading

    /// - Throws: ``Malformed``.
    package init(parsing text: some Sequence<UInt8>) throws(Malformed) {
        var parser = Parser(rest: Array(text)[...])
        self = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.rest.isEmpty else { throw Malformed() }
    }

    /// A member that must be there.
    ///
    /// - Throws: ``Malformed``, also if this is no object.
    package func member(_ name: String) throws(Malformed) -> JSONTree {
        guard let value = try optional(name) else { throw Malformed() }
        return value
    }

    /// A member, or nil if it is not there, or null.
    ///
    /// - Throws: ``Malformed`` if this is no object.
    package func optional(_ name: String) throws(Malformed) -> JSONTree? {
        guard case .object(let members) = self else { throw Malformed() }
        guard let value = members[name], value != .null else { return nil }
        return value
    }

    package var text: String {
        get throws(Malformed) {
            guard case .string(let text) = self else { throw Malformed() }
            return text
        }
    }

    package var integer: Int {
        get throws(Malformed) {
            guard case .number(let digits) = self, let number = Int(digits) else { throw Malformed() }
            return number
        }
    }

    package var boolean: Bool {
        get throws(Malformed) {
            guard case .bool(let value) = self else { throw Malformed() }
            return value
        }
    }

    package var elements: [JSONTree] {
        get throws(Malformed) {
            guard case .array(let elements) = self else { throw Malformed() }
            return elements
        }
    }

    private struct Parser {
        var rest: ArraySlice<UInt8>

        mutating func skipSpace() { rest = rest.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) } }

        private mutating func take(_ byte: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: byte) else { return false }
            rest = rest.dropFirst()
            return true
        }

        private mutating func take(word: StaticString) -> Bool {
            let length = word.utf8CodeUnitCount
            let isThere = word.withUTF8Buffer { rest.prefix(length).elementsEqual($0) }
            if isThere { rest = rest.dropFirst(length) }
            return isThere
        }

        mutating func value(depth: Int) throws(Malformed) -> JSONTree {
            guard depth <= maximumDepth else { throw Malformed() }
            skipSpace()
            switch rest.first {
            case UInt8(ascii: "{"): return try object(depth)
            case UInt8(ascii: "["): return try array(depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): if take(word: "true") { return .bool(true) }
            case UInt8(ascii: "f"): if take(word: "false") { return .bool(false) }
            case UInt8(ascii: "n"): if take(word: "null") { return .null }
            default: return .number(try number())
            }
            throw Malformed()
        }

        private mutating func object(_ depth: Int) throws(Malformed) -> JSONTree {
            var members: [String: JSONTree] = [:]
            _ = take("{")
            skipSpace()
            if take("}") { return .object(members) }
            repeat {
                skipSpace()
                guard rest.first == UInt8(ascii: "\"") else { throw Malformed() }
                let name = try string()
                skipSpace()
                guard take(":") else { throw Malformed() }
                members[name] = try value(depth: depth + 1)
                skipSpace()
            } while take(",")
            guard take("}") else { throw Malformed() }
            return .object(members)
        }

        private mutating func array(_ depth: Int) throws(Malformed) -> JSONTree {
            var elements: [JSONTree] = []
            _ = take("[")
            skipSpace()
            if take("]") { return .array(elements) }
            repeat {
                elements.append(try value(depth: depth + 1))
                skipSpace()
            } while take(",")
            guard take("]") else { throw Malformed() }
            return .array(elements)
        }

        /// `-`, an integer without leading zeros, a fraction, an exponent.
        private mutating func number() throws(Malformed) -> String {
            let start = rest
            _ = take("-")
            let isZero = rest.first == UInt8(ascii: "0")
            let integers = digits()
            guard integers == 1 || integers > 1 && !isZero else { throw Malformed() }
            if take(".") { guard digits() > 0 else { throw Malformed() } }
            if take("e") || take("E") {
                if !take("+") { _ = take("-") }
                guard digits() > 0 else { throw Malformed() }
            }
            return String(decoding: start[..<rest.startIndex], as: UTF8.self)
        }

        private mutating func digits() -> Int {
            let before = rest.count
            rest = rest.drop { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            return before - rest.count
        }

        private mutating func string() throws(Malformed) -> String {
            _ = take("\"")
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""):
                    guard let text = String(validating: bytes, as: UTF8.self) else { throw Malformed() }
                    return text
                case UInt8(ascii: "\\"): bytes += try escaped().utf8
                case ..<0x20: throw Malformed()
                default: bytes.append(byte)
                }
            }
            throw Malformed()
        }

        private mutating func escaped() throws(Malformed) -> String {
            switch rest.popFirst() {
            case UInt8(ascii: "\""): return "\""
            case UInt8(ascii: "\\"): return "\\"
            case UInt8(ascii: "/"): return "/"
            case UInt8(ascii: "b"): return "\u{08}"
            case UInt8(ascii: "f"): return "\u{0C}"
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "u"):
                var units = [try codeUnit()]
                // A character beyond the basic plane is written as two.
                if UTF16.isLeadSurrogate(units[0]) {
                    guard take(word: "\\u") else { throw Malformed() }
                    units.append(try codeUnit())
                }
                guard let text = String(validating: units, as: UTF16.self) else { throw Malformed() }
                return text
            default: throw Malformed()
            }
        }

        private mutating func codeUnit() throws(Malformed) -> UInt16 {
            let digits = rest.prefix(4)
            guard digits.count == 4, let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16),
                digits.first != UInt8(ascii: "+")
            else { throw Malformed() }
            rest = rest.dropFirst(4)
            return unit
        }
    }

    // MARK: Writing

    /// The text, without spaces, members in the order of their names.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        write(to: &bytes)
        return bytes
    }

    /// The text of an object whose members are in the order of their names, without those that are nil.
    package static func bytes(ofObject members: [(name: String, value: JSONTree?)]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        write(members.lazy.compactMap { member in member.value.map { (member.name, $0) } }, to: &bytes)
        return bytes
    }

    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let digits): bytes += digits.utf8
        case .string(let text): Self.write(text, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            Self.write(members.sorted { $0.key < $1.key }.lazy.map { ($0.key, $0.value) }, to: &bytes)
        }
    }

    private static func write(_ members: some Sequence<(String, JSONTree)>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        var isFirst = true
        for (name, value) in members {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            write(name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            value.write(to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            var rest = utf8[...]
            // Mostly there is nothing to escape: whole stretches at a time.
            while let position = rest.firstIndex(where: mustBeEscaped) {
                bytes += rest[..<position]
                let byte = rest[position]
                bytes +=
                    byte < 0x20
                    ? Array("\\u00\(Hexadecimal.encode(CollectionOfOne(byte)))".utf8) : [UInt8(ascii: "\\"), byte]
                rest = rest[(position + 1)...]
            }
            bytes += rest
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func mustBeEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }
}
