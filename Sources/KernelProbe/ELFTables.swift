/// The parts of an ELF header, program headers and section headers (System V gABI, chapters 4 and 5) that lead to a
/// kernel's notes, BTF and banner. 32 and 64 bits, either byte order.
struct ELFTables {
    struct Segment: Equatable {
        static let load: UInt32 = 1
        static let note: UInt32 = 4

        let type: UInt32
        let range: ELFRange
    }

    struct Section: Equatable {
        static let note: UInt32 = 7
        /// Of a size but without bytes in the file: what `objcopy --only-keep-debug` leaves.
        static let noBits: UInt32 = 8
        static let symbols: UInt32 = 2

        let name: [UInt8]
        let type: UInt32
        let range: ELFRange
        /// The index of another section: of a table of symbols, that of their names.
        let link: UInt32
    }

    let machine: UInt16
    let is64Bit: Bool
    let isBigEndian: Bool
    private(set) var segments: [Segment] = []
    private(set) var sections: [Section] = []

    static let magic: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]
    /// Bytes of a section's name that are kept. The names looked for are shorter; hostile ones could each be megabytes.
    private static let nameLength = 32
    /// The longest table of headers or names read, in bytes. A vmlinux with debug information has some 80 sections.
    private static let tableLimit: UInt64 = 4 << 20

    /// - Throws: ``ProbeError`` with `formatUnsupported` if it is no ELF file, `truncated`, `elfMalformed`.
    init(_ bytes: any RandomAccessBytes) throws {
        let start = try bytes.firstBytes(64)
        guard start.starts(with: Self.magic) else {
            throw ProbeError(.formatUnsupported, "This is not an ELF file.")
        }
        guard start.count >= 52, (1...2).contains(start[4]), (1...2).contains(start[5]) else {
            throw Self.malformed("its header is cut off, or of an unknown class or byte order")
        }
        is64Bit = start[4] == 2
        isBigEndian = start[5] == 2
        let header = ELFRecord(BinaryFields(start, isBigEndian: isBigEndian), at: 0, is64Bit: is64Bit)
        machine = try header.half(18, 18)
        segments = try readSegments(bytes, header)
        sections = try readSections(bytes, header)
    }

    private func readSegments(_ bytes: any RandomAccessBytes, _ header: ELFRecord) throws -> [Segment] {
        try records(
            bytes, offset: header.address(28, 32), size: header.half(42, 54), count: header.half(44, 56),
            least: is64Bit ? 56 : 32, "The table of program headers"
        ).map { record in
            let range = try ELFRange(
                offset: record.address(4, 8), count: record.address(16, 32), alignment: record.address(28, 48))
            return Segment(type: try record.word(0, 0), range: range)
        }
    }

    private func readSections(_ bytes: any RandomAccessBytes, _ header: ELFRecord) throws -> [Section] {
        let all = try records(
            bytes, offset: header.address(32, 40), size: header.half(46, 58), count: header.half(48, 60),
            least: is64Bit ? 64 : 40, "The table of section headers")
        let ranges = try all.map { record in
            try ELFRange(
                offset: record.address(16, 24), count: record.address(20, 32), alignment: record.address(32, 48))
        }
        let namesIndex = Int(try header.half(50, 62))
        guard !all.isEmpty, namesIndex != 0 else { return [] }
        guard namesIndex < all.count, ranges[namesIndex].count <= Self.tableLimit else {
            throw Self.malformed("its section of section names is missing or too large")
        }
        let names = try bytes.bytes(
            at: ranges[namesIndex].offset, count: ranges[namesIndex].count, "The section of section names")
        return try zip(all, ranges).map { record, range in
            // A name index behind the names' end gives an empty name, as of an unnamed section.
            let name = names.dropFirst(Int(try record.word(0, 0))).prefix(Self.nameLength).prefix { $0 != 0 }
            return Section(
                name: Array(name), type: try record.word(4, 4), range: range, link: try record.word(24, 40))
        }
    }

    /// Where a symbol lies: the index of its section, and its offset there, as relocatable files have it.
    struct Symbol: Equatable {
        let section: Int
        let offset: UInt64
    }

    /// The symbols of some names.
    ///
    /// - Returns: those that are there. Of several of one name the last.
    /// - Throws: ``ProbeError`` with `truncated`, `elfMalformed`.
    func symbols(_ names: [String], in bytes: any RandomAccessBytes) throws -> [String: Symbol] {
        guard let table = sections.first(where: { $0.type == Section.symbols }), Int(table.link) < sections.count,
            case let texts = sections[Int(table.link)].range, max(table.range.count, texts.count) <= Self.tableLimit
        else { return [:] }
        let names = names.map { (name: $0, bytes: Array($0.utf8) + [0]) }
        let text = try bytes.bytes(at: texts.offset, count: texts.count, "The names of symbols")
        let entries = BinaryFields(
            try bytes.bytes(at: table.range.offset, count: table.range.count, "The table of symbols"),
            isBigEndian: isBigEndian)
        let size = is64Bit ? 24 : 16
        var found: [String: Symbol] = [:]
        for start in stride(from: 0, through: entries.bytes.count - size, by: size) {
            let entry = ELFRecord(entries, at: start, is64Bit: is64Bit)
            let name = text.dropFirst(Int(try entry.word(0, 0)))
            guard let match = names.first(where: { name.starts(with: $0.bytes) }) else { continue }
            found[match.name] = Symbol(section: Int(try entry.half(14, 6)), offset: try entry.address(4, 8))
        }
        return found
    }

    private func records(
        _ bytes: any RandomAccessBytes, offset: UInt64, size: UInt16, count: UInt16, least: Int, _ what: String
    ) throws -> [ELFRecord] {
        guard offset != 0, count != 0 else { return [] }
        let length = UInt64(size) * UInt64(count)
        guard Int(size) >= least, length <= Self.tableLimit else {
            throw Self.malformed("\(what.lowercased()) has entries of \(size) bytes, \(count) of them")
        }
        let table = BinaryFields(try bytes.bytes(at: offset, count: length, what), isBigEndian: isBigEndian)
        return (0..<Int(count)).map { ELFRecord(table, at: $0 * Int(size), is64Bit: is64Bit) }
    }

    static func malformed(_ what: String) -> ProbeError {
        ProbeError(.elfMalformed, "The ELF file is damaged: \(what).")
    }
}

/// Bytes of the file that a segment or section takes, as its header says: not checked yet.
struct ELFRange: Hashable {
    let offset: UInt64
    let count: UInt64
    let alignment: UInt64
}

/// One record of an ELF table. Fields are given by their offset in the 32-bit and in the 64-bit form.
struct ELFRecord {
    private let fields: BinaryFields
    private let start: Int
    private let is64Bit: Bool

    init(_ fields: BinaryFields, at start: Int, is64Bit: Bool) {
        self.fields = fields
        self.start = start
        self.is64Bit = is64Bit
    }

    func half(_ offset32: Int, _ offset64: Int) throws -> UInt16 { try field(UInt16.self, offset32, offset64) }

    func word(_ offset32: Int, _ offset64: Int) throws -> UInt32 { try field(UInt32.self, offset32, offset64) }

    /// As wide as the class of the file.
    func address(_ offset32: Int, _ offset64: Int) throws -> UInt64 {
        is64Bit
            ? try field(UInt64.self, offset32, offset64) : UInt64(try field(UInt32.self, offset32, offset64))
    }

    private func field<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type, _ offset32: Int, _ offset64: Int
    ) throws -> Value {
        guard let value = fields.integer(type, at: start + (is64Bit ? offset64 : offset32)) else {
            throw ELFTables.malformed("a header is cut off")
        }
        return value
    }
}
