/// What a compiler made of a program, as an ELF file: its sections' contents, by which two of them are compared.
package struct ObjectFile: Equatable, Sendable {
    /// A section: machine code, data, symbols, names.
    package struct Section: Equatable, Sendable {
        package let name: [UInt8]
        let type: UInt32
        /// Bytes that it has when it is loaded, though there may be none in the file.
        let count: UInt64
        package let contents: [UInt8]
    }

    /// In the order of the file. Their flags are left out: of a variable that a program puts into a section of its own, clang
    /// forgets over a PCH whether it can be written to, and bcc, which has one (`version`), does not look.
    package let sections: [Section]

    /// - Throws: ``ProbeError`` with `formatUnsupported`, `truncated`, `elfMalformed`.
    package init(_ bytes: [UInt8]) throws {
        sections = try ELFTables(bytes).sections.map { section in
            let contents =
                section.type == ELFTables.Section.noBits
                ? [] : try bytes.bytes(at: section.range.offset, count: section.range.count, "A section")
            return Section(
                name: section.name, type: section.type, count: section.range.count, contents: contents)
        }
    }
}
