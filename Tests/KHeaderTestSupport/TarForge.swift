/// Makes tars of any kind, malformed ones included.
///
/// Shares no code with `TarWriter` and `TarReader`: headers are put together here from the description in POSIX.1-2017
/// (pax, "ustar Interchange Format"), so that a mistake in the product is not repeated in its test.
public struct TarForge: Sendable {
    /// What was added so far.
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// A header block's fields, each as the bytes that will stand there.
    public struct Header: Sendable {
        public var name: [UInt8]
        public var flag: UInt8
        public var mode = TarForge.octal(0o644, digits: 7)
        public var size = TarForge.octal(0, digits: 11)
        public var linkName: [UInt8] = []
        /// Magic and version: POSIX.
        public var magic = Array("ustar\0".utf8) + Array("00".utf8)
        public var prefix: [UInt8] = []
        /// Nil for the right one.
        public var checksum: [UInt8]?

        public init(_ name: String, flag: Character = "0") { self.init(Array(name.utf8), flag: flag) }

        public init(_ name: [UInt8], flag: Character = "0") {
            self.name = name
            self.flag = flag.asciiValue ?? 0
        }

        /// The 512 bytes. A field that is too long is cut.
        public var block: [UInt8] {
            let fields: [(Int, Int, [UInt8])] = [
                (0, 100, name), (100, 8, mode), (108, 8, TarForge.octal(0, digits: 7)),
                (116, 8, TarForge.octal(0, digits: 7)), (124, 12, size),
                (136, 12, TarForge.octal(1_700_000_000, digits: 11)), (156, 1, [flag]), (157, 100, linkName),
                (257, 8, magic), (345, 155, prefix),
            ]
            var block = [UInt8](repeating: 0, count: 512)
            var sum = 8 * 32
            for (offset, width, field) in fields {
                let field = field.prefix(width)
                block.replaceSubrange(offset..<offset + field.count, with: field)
                for byte in field { sum += Int(byte) }
            }
            let checksum = checksum ?? TarForge.octal(sum, digits: 6) + [0, 32]
            block.replaceSubrange(148..<148 + checksum.count, with: checksum)
            return block
        }
    }

    /// Octal digits with zeros in front.
    public static func octal(_ value: Int, digits: Int) -> [UInt8] {
        let text = String(value, radix: 8)
        return Array((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8)
    }

    /// A header and what follows it, filled up to a whole block.
    public mutating func add(_ header: Header, _ contents: [UInt8] = []) {
        bytes += header.block
        bytes += contents
        bytes += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    /// Bytes as they are.
    public mutating func append(_ raw: some Sequence<UInt8>) { bytes += raw }

    /// The tar with its end mark, two blocks of zeros.
    public func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}

// What well-meant archives hold.
extension TarForge {
    public mutating func addFile(_ name: String, _ contents: String = "", mode: Int = 0o644) {
        addFile(name, Array(contents.utf8), mode: mode)
    }

    public mutating func addFile(_ name: String, _ contents: [UInt8], mode: Int = 0o644) {
        var header = Header(name)
        header.mode = Self.octal(mode, digits: 7)
        header.size = Self.octal(contents.count, digits: 11)
        add(header, contents)
    }

    public mutating func addFolder(_ name: String) {
        var header = Header(name, flag: "5")
        header.mode = Self.octal(0o755, digits: 7)
        add(header)
    }

    public mutating func addLink(_ name: String, to target: String) { addLink(name, to: target, flag: "2") }

    public mutating func addHardLink(_ name: String, to target: String) { addLink(name, to: target, flag: "1") }

    private mutating func addLink(_ name: String, to target: String, flag: Character) {
        var header = Header(name, flag: flag)
        header.linkName = Array(target.utf8)
        add(header)
    }

    /// A pax extended header for the next entry, or for all that follow.
    public mutating func addPax(_ records: [(key: String, value: String)], global: Bool = false) {
        addPax(raw: records.flatMap { Self.paxRecord($0.key, Array($0.value.utf8)) }, global: global)
    }

    /// A pax extended header of any bytes.
    public mutating func addPax(raw: [UInt8], global: Bool = false) {
        var header = Header("PaxHeaders/x", flag: global ? "g" : "x")
        header.size = Self.octal(raw.count, digits: 11)
        add(header, raw)
    }

    /// `LENGTH KEY=VALUE\n`, the length with its own digits counted.
    public static func paxRecord(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = Array(" \(key)=".utf8) + value + [10]
        let digits = (1...9).first { String(rest.count + $0).utf8.count == $0 } ?? 0
        return Array(String(rest.count + digits).utf8) + rest
    }

    /// GNU's own way for a name (`L`) or a link's target (`K`) of any length, for the next entry.
    public mutating func addGNULong(_ text: [UInt8], flag: Character = "L") {
        var header = Header("././@LongLink", flag: flag)
        header.magic = Array("ustar  \0".utf8)
        header.size = Self.octal(text.count + 1, digits: 11)
        add(header, text + [0])
    }

    /// Very many empty files, `include/many/000000.h` and on. Patches one header, as tests are not optimised.
    public mutating func addNumberedFiles(_ count: Int) {
        let digitsAt = "include/many/".utf8.count
        var block = Header("include/many/000000.h").block
        let sum = block.indices.reduce(8 * 32) { (148..<156).contains($1) ? $0 : $0 + Int(block[$1]) }
        bytes.reserveCapacity(bytes.count + count * 512)
        for number in 0..<count {
            var rest = number
            var digitSum = 0
            for place in stride(from: 5, through: 0, by: -1) {
                block[digitsAt + place] = 48 + UInt8(rest % 10)
                digitSum += rest % 10
                rest /= 10
            }
            block.replaceSubrange(148..<154, with: Self.octal(sum + digitSum, digits: 6))
            bytes += block
        }
    }
}
