/// A kernel's GNU build ID: the descriptor of its `NT_GNU_BUILD_ID` note (System V ABI, GNU extension; `ld --build-id`).
///
/// The only key of a kernel: a release string (`uname -r`) is a label that several builds may share. The text form is
/// lower-case hexadecimal, as debuginfod's URLs have it; kernels have 20 bytes (SHA-1), and 1 to 64 bytes are taken, the
/// range that debuginfod's client takes.
public struct BuildID: Hashable, Sendable {
    /// The longest build ID taken, in bytes.
    public static let maximumLength = 64

    /// The note's descriptor, 1 to 64 bytes.
    public let bytes: [UInt8]

    /// - Returns: nil if there are no bytes, or more than ``maximumLength``.
    public init?(bytes: [UInt8]) {
        guard (1...Self.maximumLength).contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// - Parameter text: lower-case hexadecimal of even length, 2 to 128 characters.
    /// - Returns: nil for anything else, upper case included: one kernel must have one URL.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 2 * Self.maximumLength, let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }
}

extension BuildID: CustomStringConvertible {
    public var description: String { Hexadecimal.encode(bytes) }
}

extension BuildID: Comparable {
    public static func < (one: BuildID, other: BuildID) -> Bool { one.bytes.lexicographicallyPrecedes(other.bytes) }
}

extension BuildID: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = BuildID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a build ID")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
