internal import HeaderArchive

/// What a kernel module, a relocatable ELF file, has of interest here.
extension ELFImage {
    /// The first word of the module's `vermagic`: the release of the kernel that it was built for. Nil if it has none.
    ///
    /// The section `.modinfo` is a run of `key=value` texts, each ended by a NUL (the kernel's `include/linux/moduleparam.h`).
    ///
    /// - Throws: ``ProbeError`` with `truncated`, `tooLarge`.
    func moduleRelease() throws -> String? {
        guard let range = section(".modinfo")?.range else { return nil }
        guard range.count <= Self.informationLimit else {
            throw ProbeError(.tooLarge, "The module has \(range.count) bytes of information on itself.")
        }
        let texts = try bytes.bytes(at: range.offset, count: range.count, "The module's information")
        let key = Array("vermagic=".utf8)
        guard let magic = texts.split(separator: 0).first(where: { $0.starts(with: key) }) else { return nil }
        return String(decoding: magic.dropFirst(key.count).prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
    }

    /// Where in the file the module `kheaders` has the archive.
    ///
    /// The kernel's `kernel/kheaders.c` puts it between the symbols `kernel_headers_data` and `kernel_headers_data_end`, in
    /// `.rodata`. Of a module without symbols that section is searched for an xz stream that can be read to its end.
    ///
    /// - Throws: ``ProbeError`` with `elfMalformed` if there is none, `truncated`, `tooLarge`; what `check` throws.
    func headerArchive(_ check: CancellationCheck) throws -> Range<Int> {
        let names = ["kernel_headers_data", "kernel_headers_data_end"]
        let symbols = try tables.symbols(names, in: bytes)
        if let start = symbols[names[0]], let end = symbols[names[1]] {
            return try archive(from: start, to: end)
        }
        guard let section = section(".rodata"), let found = try search(section.range, check) else {
            throw ELFTables.malformed("there is no archive in it")
        }
        return found
    }

    private static let informationLimit: UInt64 = 1 << 20
    /// Streams that are read to see whether they end well.
    private static let trials = 4

    private func section(_ name: String) -> ELFTables.Section? {
        tables.sections.first { $0.name.elementsEqual(name.utf8) && $0.type != ELFTables.Section.noBits }
    }

    private func archive(from start: ELFTables.Symbol, to end: ELFTables.Symbol) throws -> Range<Int> {
        guard start.section == end.section, start.section < tables.sections.count,
            case let range = tables.sections[start.section].range, range.offset <= bytes.count,
            range.count <= UInt64(bytes.count) - range.offset, start.offset < end.offset, end.offset <= range.count
        else { throw ELFTables.malformed("its symbols do not enclose an archive") }
        let first = Int(range.offset + start.offset)
        let magic = try bytes.bytes(
            at: UInt64(first), count: UInt64(min(SysfsArchive.magic.count, bytes.count - first)), "The archive")
        guard magic == SysfsArchive.magic else { throw ELFTables.malformed("what its symbols enclose is no xz file") }
        return first..<Int(range.offset + end.offset)
    }

    /// The first xz stream that is whole. It begins with a magic and two bytes of flags, is of a length that four divides, and
    /// ends in the flags and `YZ` (the xz file format, 2.1).
    private func search(_ range: ELFRange, _ check: CancellationCheck) throws -> Range<Int>? {
        guard range.count <= UInt64(SysfsArchive.limit) else {
            throw ProbeError(.tooLarge, "The module has \(range.count) bytes of data.")
        }
        let data = try bytes.bytes(at: range.offset, count: range.count, "The module's data")
        var trials = 0
        var rest = data[...]
        while let start = rest.firstIndex(of: SysfsArchive.magic[0]) {
            rest = rest[start...]
            if rest.starts(with: SysfsArchive.magic), rest.count > 32 {
                let footer = Array(rest.dropFirst(6).prefix(2)) + Array("YZ".utf8)
                for end in stride(from: start + 12, through: data.count, by: 4)
                where data[(end - 4)..<end].elementsEqual(footer) {
                    trials += 1
                    guard trials <= Self.trials else { return nil }
                    if try isWhole(data[start..<end], check) {
                        return Int(range.offset) + start..<Int(range.offset) + end
                    }
                }
            }
            rest = rest.dropFirst()
        }
        return nil
    }

    private func isWhole(_ stream: ArraySlice<UInt8>, _ check: CancellationCheck) throws -> Bool {
        do {
            try LimitedSource(XZSource(MemorySource(stream)), limit: 1 << 30).drain { _ in try check() }
            return true
        } catch {
            try check()
            return false
        }
    }
}
