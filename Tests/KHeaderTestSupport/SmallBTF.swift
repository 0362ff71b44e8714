/// Raw BTF of a kernel that does not exist: one 32-bit `int`, and strings.
public enum SmallBTF {
    /// - Parameters:
    ///   - strings: names beside `int`, of which the file's size and digest come.
    ///   - isBigEndian: the byte order of the kernel's machine.
    public static func bytes(_ strings: [String] = [], isBigEndian: Bool = false) -> [UInt8] {
        func integers(_ values: [UInt32]) -> [UInt8] {
            values.flatMap { value in
                withUnsafeBytes(of: isBigEndian ? value.bigEndian : value.littleEndian) { Array($0) }
            }
        }
        var names: [UInt8] = []
        for name in ["", "int"] + strings { names += Array(name.utf8) + [0] }
        // struct btf_type: the name's offset, kind 1 (BTF_KIND_INT), four bytes; then signed, 32 bits from bit 0.
        let types = integers([1, 1 << 24, 4, 1 << 24 | 32])
        var bytes: [UInt8] = isBigEndian ? [0xEB, 0x9F, 1, 0] : [0x9F, 0xEB, 1, 0]
        let typeLength = UInt32(types.count)
        bytes += integers([24, 0, typeLength, typeLength, UInt32(names.count)])
        return bytes + types + names
    }
}
