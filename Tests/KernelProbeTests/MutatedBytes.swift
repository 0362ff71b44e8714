internal import KHeaderTestSupport

extension [UInt8] {
    /// The bytes with up to eight of them changed, those of `range` only.
    func mutated(in range: Range<Int>? = nil, _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = self
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            let index = Int.random(in: range ?? 0..<count, using: &generator)
            // Extremes break length checks more often than random values do.
            bytes[index] =
                [0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &generator)]
                .randomElement(using: &generator) ?? 0
        }
        return bytes
    }

    mutating func appendInteger(_ value: some FixedWidthInteger, bigEndian: Bool = false) {
        Swift.withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { append(contentsOf: $0) }
    }

    mutating func put(_ value: some FixedWidthInteger, at offset: Int, bigEndian: Bool = false) {
        var bytes: [UInt8] = []
        bytes.appendInteger(value, bigEndian: bigEndian)
        replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    }
}
