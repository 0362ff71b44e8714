/// A package's control file, or its stanza in dpkg's status: fields, one a line, continued by lines that start with a space (deb-control(5)).
package struct DebianControl: Equatable {
    /// What a package says of another: `linux-headers-6.1.0-56-common (= 6.1.192-2)`.
    struct Relation: Equatable {
        let name: String
        /// `=`, `>=` and so on; nil if any version will do.
        let comparison: String?
        let version: String?
    }

    private let fields: [String: String]

    package init(_ text: [UInt8]) {
        var fields: [String: String] = [:]
        var current: String?
        for line in text.split(separator: UInt8(ascii: "\n")) {
            if line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t") {
                if let current { fields[current, default: ""] += " " + Self.trimmed(line) }
            } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
                // Field names are the same in any case.
                let name = Self.trimmed(line[..<colon]).lowercased()
                fields[name] = Self.trimmed(line[(colon + 1)...])
                current = name
            }
        }
        self.fields = fields
    }

    /// - Parameter name: in any case.
    package subscript(name: String) -> String? { fields[name.lowercased()] }

    /// What `Depends` asks for: all of the groups, of each any alternative.
    var depends: [[Relation]] {
        (self["Depends"] ?? "").utf8.split(separator: UInt8(ascii: ",")).map { group in
            group.split(separator: UInt8(ascii: "|")).compactMap { Self.relation(Self.trimmed($0)) }
        }
    }

    /// `NAME[:ARCH] [(COMPARISON VERSION)] [[ARCH …]]`
    private static func relation(_ text: String) -> Relation? {
        let name = text.utf8.prefix { !" \t(:[".utf8.contains($0) }
        guard !name.isEmpty else { return nil }
        let condition = text.utf8.drop { $0 != UInt8(ascii: "(") }.dropFirst().prefix { $0 != UInt8(ascii: ")") }
        let comparison = condition.prefix { "<>=".utf8.contains($0) }
        let version = trimmed(condition.dropFirst(comparison.count))
        return Relation(
            name: String(decoding: name, as: UTF8.self),
            comparison: comparison.isEmpty ? nil : String(decoding: comparison, as: UTF8.self),
            version: version.isEmpty ? nil : version)
    }

    private static func trimmed(_ bytes: some BidirectionalCollection<UInt8>) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        let end = bytes.lastIndex { !isBlank($0) }.map { bytes.index(after: $0) } ?? bytes.startIndex
        return String(decoding: bytes[..<end].drop(while: isBlank), as: UTF8.self)
    }
}
