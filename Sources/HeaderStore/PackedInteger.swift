internal import KernelHeaders

/// LEB128 integers, as in the indexes of packs and in stored manifests: seven bits a byte, least significant first, the
/// top bit set on all bytes but the last. At most nine bytes, so that any value fits 63 bits.
struct PackedWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ value: Int) {
        precondition(value >= 0)
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Small negative numbers become small positive ones (zigzag).
    mutating func putSigned(_ value: Int) { put(value << 1 ^ value >> (Int.bitWidth - 1)) }

    mutating func put(bytes more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// A string, its length before it.
    mutating func put(_ text: some Collection<UInt8>) {
        put(text.count)
        bytes.append(contentsOf: text)
    }
}

/// Reads what ``PackedWriter`` wrote. Damage is an error, never a trap.
struct PackedReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func integer() throws -> Int {
        var value = 0
        for shift in stride(from: 0, to: 63, by: 7) {
            guard position < bytes.count else { throw Self.damaged }
            let byte = bytes[position]
            position += 1
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw Self.damaged
    }

    mutating func signedInteger() throws -> Int {
        let value = try integer()
        return value >> 1 ^ -(value & 1)
    }

    /// 0 or 1.
    mutating func flag() throws -> Bool {
        let value = try integer()
        guard value <= 1 else { throw Self.damaged }
        return value == 1
    }

    /// A number of things that take at least one byte each: never more than there are bytes left.
    mutating func count() throws -> Int {
        let count = try integer()
        guard count <= bytes.count - position else { throw Self.damaged }
        return count
    }

    mutating func bytes(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= bytes.count - position else { throw Self.damaged }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func text() throws -> ArraySlice<UInt8> {
        let length = try count()
        return try bytes(length)
    }

    mutating func digest() throws -> Digest {
        guard let digest = Digest(bytes: try bytes(Digest.length)) else { throw Self.damaged }
        return digest
    }

    static var damaged: Problem {
        Problem(.storeDamaged, "An index in the store is damaged. Run a verify, and restore the pack.")
    }
}
