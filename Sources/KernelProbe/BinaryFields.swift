/// Integers at offsets of a file's header, in the file's byte order.
struct BinaryFields {
    let bytes: [UInt8]
    let isBigEndian: Bool

    init(_ bytes: [UInt8], isBigEndian: Bool) {
        self.bytes = bytes
        self.isBigEndian = isBigEndian
    }

    /// - Returns: nil if the integer does not lie within the bytes.
    func integer<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type, at offset: Int) -> Value? {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, offset <= bytes.count - size else { return nil }
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
        return isBigEndian ? Value(bigEndian: value) : Value(littleEndian: value)
    }
}
