/// A host, as its agent names it to the server: 16 bytes made of its machine ID by a keyed hash, so that the machine ID
/// itself, which other programs use as a secret (`machine-id(5)`), stays on the host. The text form is lower-case
/// hexadecimal.
public struct HostID: Hashable, Sendable {
    /// Bytes of a host ID.
    public static let length = 16

    /// Exactly ``length`` of them.
    public let bytes: [UInt8]

    /// - Returns: nil unless there are exactly ``length`` bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.length else { return nil }
        self.bytes = Array(bytes)
    }

    /// - Parameter text: 32 lower-case hexadecimal digits; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 2 * Self.length, let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }
}

extension HostID: CustomStringConvertible {
    public var description: String { Hexadecimal.encode(bytes) }
}

extension HostID: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = HostID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a host ID")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
