internal import KernelHeaders

/// A tar header block: 512 bytes (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
///
/// ```
/// 0 name 100 · 100 mode 8 · 108 uid 8 · 116 gid 8 · 124 size 12 · 136 mtime 12 · 148 checksum 8 · 156 type 1
/// 157 link name 100 · 257 magic "ustar" · 263 version · 265 user 32 · 297 group 32 · 329, 337 device 8+8 · 345 prefix 155
/// ```
struct TarHeader {
    static let blockSize = 512

    let name: [UInt8]
    let linkName: [UInt8]
    let typeFlag: UInt8
    let size: Int
    let mode: Int

    static func isZero(_ block: UnsafeRawBufferPointer) -> Bool { block.allSatisfy { $0 == 0 } }

    /// Bytes of the checksum's own field.
    private static let checksumField = 148..<156

    /// - Parameter block: 512 bytes that are not all zero.
    /// - Throws: `Problem` with `archive-checksum` or `archive-corrupt`.
    init(_ block: UnsafeRawBufferPointer) throws {
        guard let stored = Self.number(block, Self.checksumField) else {
            throw Problem(.archiveChecksum, "A tar header's checksum field is not a number. The archive is damaged.")
        }
        // The checksum counts its own field as spaces. Old writers summed signed bytes; theirs differs only for names
        // that are not ASCII, and is not taken.
        var sum = 8 * 0x20
        for byte in block { sum += Int(byte) }
        for byte in block[Self.checksumField] { sum -= Int(byte) }
        guard sum == stored else {
            throw Problem(.archiveChecksum, "A tar header's checksum is wrong. The archive is damaged.")
        }
        guard let size = Self.number(block, 124..<136), size >= 0, let mode = Self.number(block, 100..<108) else {
            throw Problem(.archiveCorrupt, "A tar header's size or mode is not a number. The archive is damaged.")
        }
        self.size = size
        self.mode = mode
        typeFlag = block[156]
        linkName = Self.text(block, 157..<257)
        let name = Self.text(block, 0..<100)
        // POSIX archives say "ustar\0"; GNU ones "ustar " and use the place of the prefix for other things.
        let prefix = Self.isPOSIX(block) ? Self.text(block, 345..<500) : []
        self.name = prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    private static func isPOSIX(_ block: UnsafeRawBufferPointer) -> Bool {
        block[257..<263].elementsEqual("ustar\0".utf8)
    }

    private static func text(_ block: UnsafeRawBufferPointer, _ range: Range<Int>) -> [UInt8] {
        let field = UnsafeRawBufferPointer(rebasing: block[range])
        return Array(field.prefix(field.firstIndex(of: 0) ?? field.count))
    }

    /// Octal digits with spaces and NULs around, or GNU's base 256 (first bit set, big-endian).
    private static func number(_ block: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        let field = UnsafeRawBufferPointer(rebasing: block[range])
        guard let first = field.first else { return nil }
        var value = 0
        if first & 0x80 != 0 {
            guard first == 0x80 else { return nil }  // Negative, or beyond 63 bits.
            for byte in field.dropFirst() {
                guard value < Int.max >> 8 else { return nil }
                value = value << 8 | Int(byte)
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 || $0 == 0 }.prefix { $0 != 0x20 && $0 != 0 }
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit), value < Int.max >> 3 else { return nil }
            value = value << 3 | Int(digit - UInt8(ascii: "0"))
        }
        return value
    }
}
