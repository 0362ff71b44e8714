internal import KernelHeaders

/// A kernel as an ELF file: vmlinux, or what is in a boot image's payload.
struct ELFImage {
    let bytes: any RandomAccessBytes
    let tables: ELFTables

    /// Bytes of notes that are read in all. Kernels have some 500; a core dump, whose notes are large, is no kernel.
    private static let notesLimit: UInt64 = 1 << 20

    /// - Throws: ``ProbeError`` with `formatUnsupported`, `truncated`, `elfMalformed`.
    init(_ bytes: any RandomAccessBytes) throws {
        self.bytes = bytes
        tables = try ELFTables(bytes)
    }

    /// Nil if the machine is not known here.
    var architecture: Architecture? {
        Architecture(elfMachine: tables.machine, is64Bit: tables.is64Bit, isBigEndian: tables.isBigEndian)
    }

    /// Whether there is a `.BTF` section; nil if the file's sections were stripped, which leaves its segments.
    var hasBTF: Bool? { tables.sections.isEmpty ? nil : btfSection != nil }

    /// The contents of the `.BTF` section; nil if there is none.
    ///
    /// - Throws: ``ProbeError`` with `truncated`, or `tooLarge` for more bytes than the limit.
    func btf(limit: UInt64 = btfLimit) throws -> [UInt8]? {
        guard let range = btfSection?.range else { return nil }
        guard range.count <= limit else {
            throw ProbeError(.tooLarge, "The ELF file has \(range.count) bytes of BTF; the limit is \(limit).")
        }
        return try bytes.bytes(at: range.offset, count: range.count, "The BTF")
    }

    /// Bytes of BTF that are read. Kernels have 4 to 10 MB.
    static let btfLimit: UInt64 = 64 << 20

    private var btfSection: ELFTables.Section? {
        tables.sections.first {
            $0.name.elementsEqual(".BTF".utf8) && $0.type != ELFTables.Section.noBits && $0.range.count > 0
        }
    }

    /// The build ID in the notes of segments (`PT_NOTE`) and sections (`SHT_NOTE`); linkers write both, `objcopy` may
    /// leave one of them.
    ///
    /// - Throws: ``ProbeError`` with `noBuildID`, `severalBuildIDs`, `notesMalformed`, `truncated`, `tooLarge`.
    func buildID() throws -> BuildID {
        let segments = tables.segments.filter { $0.type == ELFTables.Segment.note }.map(\.range)
        let sections = tables.sections.filter { $0.type == ELFTables.Section.note }.map(\.range)
        var found: BuildID?
        var left = Self.notesLimit
        for range in Set(segments + sections).sorted(by: { $0.offset < $1.offset }) {
            guard range.count <= left else {
                throw ProbeError(
                    .tooLarge, "The ELF file has over \(Self.notesLimit >> 20) MiB of notes. It is no kernel.")
            }
            left -= range.count
            let run = try bytes.bytes(at: range.offset, count: range.count, "A run of notes")
            let notes = try ELFNotes(run, isBigEndian: tables.isBigEndian, alignment: range.alignment == 8 ? 8 : 4)
            guard let id = try notes.buildID() else { continue }
            guard found == nil || found == id else { throw ELFNotes.disagreement }
            found = id
        }
        guard let found else {
            throw ProbeError(
                .noBuildID,
                "The file has no GNU build ID. The kernel was linked without --build-id, or it was stripped.")
        }
        return found
    }

    /// The kernel's banner in its read-only data, or anywhere in what is loaded.
    ///
    /// - Returns: nil if there is none.
    /// - Throws: ``ProbeError`` with `truncated`.
    func banner() throws -> KernelBanner? {
        let readOnly = tables.sections.filter {
            $0.name.elementsEqual(".rodata".utf8) && $0.type != ELFTables.Section.noBits
        }
        let loaded = tables.segments.filter { $0.type == ELFTables.Segment.load }
        var search = BannerSearch(bytes)
        for range in readOnly.map(\.range) + loaded.map(\.range) {
            guard try search.mayContinue(after: range) else { break }
        }
        return search.found
    }

    /// What the file says of its kernel.
    ///
    /// - Throws: as ``buildID()`` and ``banner()``, and ``ProbeError`` with `notAKernel` for an ELF file without a
    ///   banner: a boot wrapper (MIPS, PowerPC) has a build ID too, but not the kernel's.
    func identity() throws -> KernelIdentity {
        guard let banner = try banner() else {
            throw ProbeError(
                .notAKernel,
                "The ELF file has no \"Linux version\" banner, so it is not an uncompressed kernel. Give the vmlinux.")
        }
        return KernelIdentity(
            buildID: try buildID(), release: banner.release, versionLine: banner.line, architecture: architecture,
            hasBTF: hasBTF)
    }
}
