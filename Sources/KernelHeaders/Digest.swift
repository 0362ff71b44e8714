/// A SHA-256 digest (FIPS 180-4): of a blob, of a tree's manifest, of an archive, a pack or a bundle.
///
/// Only the value is here; `HeaderArchive.SHA256Hash` computes it.
public struct Digest: Hashable, Sendable {
    /// Bytes of a digest.
    public static let length = 32

    // Four words rather than an array: a manifest has thousands of them, and they are compared all the time.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// - Returns: nil unless there are exactly ``length`` bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.length else { return nil }
        self = Array(bytes).withUnsafeBytes { Digest($0) }
    }

    /// - Parameter bytes: exactly ``length``.
    package init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == Self.length, "a digest has \(Self.length) bytes")
        func word(_ number: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * number, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// - Parameter text: 64 lower-case hexadecimal digits; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 2 * Self.length, let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 32 bytes, most significant first.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    func append(to bytes: inout [UInt8]) {
        let inOrder = (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
        withUnsafeBytes(of: inOrder) { bytes.append(contentsOf: $0) }
    }

    public static func == (one: Digest, other: Digest) -> Bool { one.words == other.words }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

extension Digest: CustomStringConvertible {
    public var description: String { Hexadecimal.encode(bytes) }
}

extension Digest: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = Digest(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a SHA-256 digest")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
