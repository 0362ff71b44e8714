/// The `Range` header (RFC 9110, section 14): which parts of a representation a client wants.
enum ByteRangeRequest: Equatable {
    /// No range, another unit than bytes, or malformed: the whole, with 200.
    case whole
    /// In the order asked for, within the representation, at least one.
    case parts([Range<Int>])
    /// Well-formed, but none of the ranges has a byte of the representation: 416.
    case unsatisfiable

    /// The most ranges answered. More, or more than two that overlap, are an attack that the RFC (14.2) lets a server
    /// answer with the whole.
    static let maximumParts = 64

    /// - Parameters:
    ///   - field: the header's value.
    ///   - length: bytes of the representation.
    init(_ field: String?, length: Int) {
        guard let field, let equals = field.firstIndex(of: "="), field[..<equals].lowercased() == "bytes" else {
            self = .whole
            return
        }
        // A list may have empty members (RFC 9110, 5.6.1.2), but not only such.
        let specs = field[field.index(after: equals)...].split(separator: ",").map(\.trimmingSpaces)
            .filter { !$0.isEmpty }.map(RangeSpec.init)
        guard !specs.isEmpty, !specs.contains(where: { $0 == nil }) else {
            self = .whole
            return
        }
        let parts = specs.compactMap { $0?.resolve(length) }
        // Before they are compared with each other: a header has room for thousands.
        guard parts.count <= Self.maximumParts else {
            self = .whole
            return
        }
        let overlaps = parts.indices.count { index in parts[..<index].contains { $0.overlaps(parts[index]) } }
        self = parts.isEmpty ? .unsatisfiable : overlaps > 1 ? .whole : .parts(parts)
    }
}

/// One range as it is written: `0-99`, `100-`, `-100`.
private enum RangeSpec: Equatable {
    case from(Int, through: Int?)
    case suffix(Int)

    init?(_ text: Substring) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = Self.number(parts[0]), let last = Self.number(parts[1]) else { return nil }
        switch (first, last) {
        case (nil, let length?): self = .suffix(length)
        case (let first?, nil): self = .from(first, through: nil)
        case (let first?, let last?) where first <= last: self = .from(first, through: last)
        default: return nil
        }
    }

    /// Digits; `.some(nil)` for nothing. Numbers beyond the machine's are as good as the largest.
    private static func number(_ text: Substring) -> Int?? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return text.isEmpty ? .some(nil) : .some(Int(text) ?? Int.max)
    }

    func resolve(_ length: Int) -> Range<Int>? {
        switch self {
        case .from(let first, let last):
            first < length ? first..<min(last ?? length - 1, length - 1) + 1 : nil
        case .suffix(let count):
            count > 0 && length > 0 ? length - min(count, length)..<length : nil
        }
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
