internal import HeaderArchive
package import KernelHeaders

/// A shared library as an ELF file, read and not loaded: what a program that is linked with it would meet.
package struct SharedLibrary: Sendable {
    /// The machine that it is for; nil if it is not known here.
    package let architecture: Architecture?
    /// The names of the libraries that it is linked with (`DT_NEEDED`): `libclang-cpp.so.14`.
    package let needed: [String]
    /// All of the file.
    package let bytes: [UInt8]
    /// Where in ``bytes`` its constants (`.rodata`) lie; empty if it has none.
    package let constants: Range<Int>

    /// The longest name of a library that is taken, and the most of them.
    private static let nameLimit = 256
    private static let neededLimit = 1000
    private static let dynamic: UInt32 = 6

    /// - Parameter limit: the most bytes that the file may have.
    /// - Throws: `SystemCallError`; ``ProbeError`` with `notAFile`, `tooLarge`, `formatUnsupported`, `truncated`,
    ///   `elfMalformed`.
    package init(path: String, limit: Int) throws {
        let file = try FileBytes(path: path)
        guard file.count <= limit else {
            throw ProbeError(.tooLarge, "\(path) has \(file.count) bytes; the limit is \(limit).")
        }
        try self.init(file.bytes(at: 0, count: UInt64(file.count), "The library"))
    }

    /// - Throws: ``ProbeError`` as ``init(path:limit:)``.
    package init(_ bytes: [UInt8]) throws {
        let tables = try ELFTables(bytes)
        self.bytes = bytes
        architecture = Architecture(
            elfMachine: tables.machine, is64Bit: tables.is64Bit, isBigEndian: tables.isBigEndian)
        let constants = tables.sections.first {
            $0.name.elementsEqual(".rodata".utf8) && $0.type != ELFTables.Section.noBits
        }
        self.constants = try constants.map { try Self.place($0.range, in: bytes, "The section .rodata") } ?? 0..<0
        needed = try Self.needed(tables, bytes)
    }

    private static func place(_ range: ELFRange, in bytes: [UInt8], _ what: String) throws -> Range<Int> {
        let all = UInt64(bytes.count)
        guard range.offset <= all, range.count <= all - range.offset else {
            throw ELFTables.malformed("\(what.lowercased()) lies behind its end")
        }
        return Int(range.offset)..<Int(range.offset + range.count)
    }

    /// The dynamic section is pairs of a tag and a value; of `DT_NEEDED` (1) that is an offset in the linked table of names.
    private static func needed(_ tables: ELFTables, _ bytes: [UInt8]) throws -> [String] {
        guard let section = tables.sections.first(where: { $0.type == dynamic }),
            Int(section.link) < tables.sections.count
        else { return [] }
        let names = try bytes[place(tables.sections[Int(section.link)].range, in: bytes, "The table of names")]
        let entries = try place(section.range, in: bytes, "The dynamic section")
        let fields = BinaryFields(Array(bytes[entries]), isBigEndian: tables.isBigEndian)
        let size = tables.is64Bit ? 16 : 8
        var needed: [String] = []
        for start in stride(from: 0, through: entries.count - size, by: size) where needed.count < neededLimit {
            let entry = ELFRecord(fields, at: start, is64Bit: tables.is64Bit)
            let (tag, value) = (try entry.address(0, 0), try entry.address(4, 8))
            if tag == 0 { break }
            guard tag == 1, value < UInt64(names.count) else { continue }
            let name = names.dropFirst(Int(value)).prefix(nameLimit + 1).prefix { $0 != 0 }
            guard name.count <= nameLimit, let text = String(validating: name, as: UTF8.self) else {
                throw ELFTables.malformed("it names a library that can't be one's name")
            }
            needed.append(text)
        }
        return needed
    }
}
