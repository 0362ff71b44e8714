internal import KernelHeaders

/// A run of ELF notes (System V gABI, "Note Section"), as `/sys/kernel/notes` and a vmlinux have it.
///
/// A note is three 32-bit words (length of the owner's name, length of the descriptor, type), the name and the
/// descriptor, both padded. Their order says nothing: kernels have notes of `GNU`, `Linux` and `Xen` in any.
struct ELFNotes {
    struct Note: Equatable {
        /// Without the NUL at its end.
        let owner: [UInt8]
        let type: UInt32
        let descriptor: [UInt8]
    }

    let notes: [Note]

    private static let headerLength = 12
    /// `NT_GNU_BUILD_ID` of the owner `GNU`.
    private static let buildIDType: UInt32 = 3

    /// - Parameters:
    ///   - bytes: the whole run.
    ///   - alignment: of names and descriptors: 4, or 8 where the segment or section is aligned to 8, as elfutils has it.
    /// - Throws: ``ProbeError`` with `notesMalformed`.
    init(_ bytes: [UInt8], isBigEndian: Bool, alignment: Int = 4) throws {
        let fields = BinaryFields(bytes, isBigEndian: isBigEndian)
        var notes: [Note] = []
        var position = 0
        while position <= bytes.count - Self.headerLength {
            guard let note = Self.note(fields, at: &position, alignment: alignment) else {
                throw ProbeError(
                    .notesMalformed,
                    "An ELF note is longer than the data that holds it. The data was cut off or is damaged.")
            }
            notes.append(note)
        }
        guard bytes.dropFirst(position).allSatisfy({ $0 == 0 }) else {
            throw ProbeError(.notesMalformed, "The ELF notes end inside a note. The data was cut off or is damaged.")
        }
        self.notes = notes
    }

    /// The notes' GNU build ID.
    ///
    /// - Returns: nil if no note has one.
    /// - Throws: ``ProbeError`` with `severalBuildIDs`, or `notesMalformed` if its length can't be a build ID's.
    func buildID() throws -> BuildID? {
        var found: BuildID?
        for note in notes where note.type == Self.buildIDType && note.owner.elementsEqual("GNU".utf8) {
            guard let id = BuildID(bytes: note.descriptor) else {
                throw ProbeError(
                    .notesMalformed,
                    "The build ID note has \(note.descriptor.count) bytes; 1 to \(BuildID.maximumLength) make a build ID."
                )
            }
            guard found == nil || found == id else { throw Self.disagreement }
            found = id
        }
        return found
    }

    static var disagreement: ProbeError {
        ProbeError(.severalBuildIDs, "The notes name more than one build ID, so none of them can be trusted.")
    }

    /// The note at a position, which moves on to the next. Nil if it does not fit.
    private static func note(_ fields: BinaryFields, at position: inout Int, alignment: Int) -> Note? {
        let bytes = fields.bytes
        guard let nameLength = fields.integer(UInt32.self, at: position),
            let descriptorLength = fields.integer(UInt32.self, at: position + 4),
            let type = fields.integer(UInt32.self, at: position + 8),
            nameLength <= bytes.count, descriptorLength <= bytes.count
        else { return nil }
        let nameStart = position + headerLength
        let nameEnd = nameStart + Int(nameLength)
        // Padding may be missing behind the last note, so an empty descriptor may seem to start behind the end.
        let descriptorStart = descriptorLength == 0 ? nameEnd : roundUp(nameEnd, to: alignment)
        let descriptorEnd = descriptorStart + Int(descriptorLength)
        guard nameEnd <= bytes.count, descriptorEnd <= bytes.count else { return nil }
        position = roundUp(descriptorEnd, to: alignment)
        let name = bytes[nameStart..<nameEnd]
        return Note(
            owner: Array(name.last == 0 ? name.dropLast() : name), type: type,
            descriptor: Array(bytes[descriptorStart..<descriptorEnd]))
    }

    private static func roundUp(_ value: Int, to alignment: Int) -> Int {
        (value + alignment - 1) / alignment * alignment
    }
}
