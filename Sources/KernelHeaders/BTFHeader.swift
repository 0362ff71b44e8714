/// The header of raw BTF, as `/sys/kernel/btf/vmlinux` and an ELF file's section `.BTF` begin with it (the kernel's
/// `Documentation/bpf/btf.rst`, `struct btf_header`), in the byte order of the kernel's machine:
///
/// ```
/// 2   magic 0xEB9F        1   version 1       1   flags
/// 4   header length       4   type offset     4   type length     4   string offset     4   string length
/// ```
///
/// Offsets count from the header's end. Bytes behind the sections are allowed.
public struct BTFHeader: Equatable, Sendable {
    /// Bytes of the header's first, and so far only, version.
    public static let length = 24

    public let isBigEndian: Bool
    /// Where the type and the string section lie in the file.
    public let types: Range<Int>
    public let strings: Range<Int>

    /// - Parameters:
    ///   - prefix: the file's first ``length`` bytes, or all if it is shorter; what follows is not looked at.
    ///   - fileLength: bytes of the whole file.
    /// - Throws: `Problem` with `btf-malformed` unless both sections lie inside the file.
    public init(_ prefix: some Collection<UInt8>, fileLength: Int) throws(Problem) {
        let bytes = Array(prefix.prefix(Self.length))
        guard bytes.count == Self.length else { throw Self.malformed("it is shorter than its header") }
        switch (bytes[0], bytes[1]) {
        case (0x9F, 0xEB): isBigEndian = false
        case (0xEB, 0x9F): isBigEndian = true
        default: throw Self.malformed("it does not begin with the magic number 0xEB9F")
        }
        guard bytes[2] == 1 else { throw Self.malformed("it has version \(bytes[2]), and 1 is known here") }
        let isBigEndian = isBigEndian
        func integer(at offset: Int) -> Int {
            let field = bytes[offset..<offset + 4]
            // 32 bits, so that sums of three stay far below an integer's end.
            return (isBigEndian ? Array(field) : field.reversed()).reduce(0) { $0 << 8 | Int($1) }
        }
        let end = integer(at: 4)
        guard end >= Self.length else { throw Self.malformed("its header's length is \(end)") }
        types = end + integer(at: 8)..<end + integer(at: 8) + integer(at: 12)
        strings = end + integer(at: 16)..<end + integer(at: 16) + integer(at: 20)
        guard types.upperBound <= fileLength, strings.upperBound <= fileLength else {
            throw Self.malformed("its sections do not lie inside its \(fileLength) bytes")
        }
        // The first string is the empty one, so that there is one.
        guard !strings.isEmpty else { throw Self.malformed("it has no strings") }
    }

    private static func malformed(_ why: String) -> Problem {
        Problem(.btfMalformed, "This is no raw BTF: \(why). Send /sys/kernel/btf/vmlinux as it is.")
    }
}
