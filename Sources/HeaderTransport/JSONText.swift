internal import FoundationEssentials

/// Documents as the server sends them, for `--format json`.
package enum JSONText {
    /// - Parameter isPretty: over several lines; one line otherwise.
    package static func text(_ document: some Encodable, isPretty: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
