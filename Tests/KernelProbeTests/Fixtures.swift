internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe

/// A run of notes, written as the gABI has it.
struct NoteRun {
    var bytes: [UInt8] = []
    var isBigEndian = false
    var alignment = 4

    static let buildID: [UInt8] = (0..<20).map { 0xA0 &+ $0 }

    mutating func add(_ owner: String, _ type: UInt32, _ descriptor: [UInt8]) {
        let name = Array(owner.utf8) + [0]
        bytes.appendInteger(UInt32(name.count), bigEndian: isBigEndian)
        bytes.appendInteger(UInt32(descriptor.count), bigEndian: isBigEndian)
        bytes.appendInteger(type, bigEndian: isBigEndian)
        bytes += name
        pad()
        bytes += descriptor
        pad()
    }

    private mutating func pad() { while bytes.count % alignment != 0 { bytes.append(0) } }

    /// As Debian's kernels have it: Xen's notes, the build ID, the build salt.
    static func kernel(_ id: [UInt8] = buildID, isBigEndian: Bool = false, alignment: Int = 4) -> [UInt8] {
        var run = NoteRun(isBigEndian: isBigEndian, alignment: alignment)
        run.add("Xen", 6, Array("linux\0".utf8))
        run.add("Xen", 3, [1, 2, 3])
        run.add("GNU", 3, id)
        run.add("Linux", 0x100, Array("6.1.0-56-amd64".utf8))
        return run.bytes
    }
}

/// An ELF file of either class and byte order with what a kernel's has, for machines that no compiler here builds for.
struct SyntheticELF {
    var is64Bit = true
    var isBigEndian = false
    var machine: UInt16 = 62
    var notes: [UInt8]?
    var notesAlignment = 4
    var readOnly = Array("\0Linux version %s\0Linux version 6.1.0-test (a@b) (gcc) #1 SMP\n\0".utf8)
    var btf: [UInt8]? = [1, 2, 3]
    var hasSections = true
    var hasSegments = true

    private struct Part {
        let name: String
        let type: UInt32
        let bytes: [UInt8]
        var alignment = 4
        var offset = 0
    }

    var bytes: [UInt8] {
        var parts = [
            Part(
                name: ".notes", type: 7, bytes: notes ?? NoteRun.kernel(isBigEndian: isBigEndian),
                alignment: notesAlignment),
            Part(name: ".rodata", type: 1, bytes: readOnly),
        ]
        if let btf { parts.append(Part(name: ".BTF", type: 1, bytes: btf)) }
        let names = "\0" + parts.map { $0.name + "\0" }.joined() + ".shstrtab\0"
        if hasSections { parts.append(Part(name: ".shstrtab", type: 3, bytes: Array(names.utf8))) }
        let segments: [(type: UInt32, part: Int)] = hasSegments ? [(4, 0), (1, 1)] : []
        let segmentSize = is64Bit ? 56 : 32
        var body = [UInt8](repeating: 0, count: (is64Bit ? 64 : 52) + segments.count * segmentSize)
        for index in parts.indices {
            while body.count % 8 != 0 { body.append(0) }
            parts[index].offset = body.count
            body += parts[index].bytes
        }
        let sectionsStart = body.count
        if hasSections { body += sectionTable(parts, names: Array(names.utf8)) }
        body.replaceSubrange(0..<(is64Bit ? 64 : 52), with: header(parts, segments.count, sectionsStart))
        for (index, segment) in segments.enumerated() {
            let start = (is64Bit ? 64 : 52) + index * segmentSize
            body.replaceSubrange(start..<(start + segmentSize), with: programHeader(segment.type, parts[segment.part]))
        }
        return body
    }

    private func header(_ parts: [Part], _ segments: Int, _ sectionsStart: Int) -> [UInt8] {
        var header: [UInt8] =
            [0x7F, 0x45, 0x4C, 0x46, is64Bit ? 2 : 1, isBigEndian ? 2 : 1, 1] + [UInt8](repeating: 0, count: 9)
        half(2, &header)
        half(machine, &header)
        word(1, &header)
        address(0, &header)
        address(segments == 0 ? 0 : (is64Bit ? 64 : 52), &header)
        address(hasSections ? sectionsStart : 0, &header)
        word(0, &header)
        half(is64Bit ? 64 : 52, &header)
        half(is64Bit ? 56 : 32, &header)
        half(UInt16(segments), &header)
        half(is64Bit ? 64 : 40, &header)
        half(hasSections ? UInt16(parts.count + 1) : 0, &header)
        half(hasSections ? UInt16(parts.count) : 0, &header)
        return header
    }

    private func programHeader(_ type: UInt32, _ part: Part) -> [UInt8] {
        var header: [UInt8] = []
        word(type, &header)
        if is64Bit { word(4, &header) }
        for value in [part.offset, 0, 0, part.bytes.count, part.bytes.count] { address(value, &header) }
        if !is64Bit { word(4, &header) }
        address(part.alignment, &header)
        return header
    }

    private func sectionTable(_ parts: [Part], names: [UInt8]) -> [UInt8] {
        var table = [UInt8](repeating: 0, count: is64Bit ? 64 : 40)
        var nameStart = 1
        for part in parts {
            word(UInt32(nameStart), &table)
            nameStart += part.name.utf8.count + 1
            word(part.type, &table)
            for value in [2, 0, part.offset, part.bytes.count] { address(value, &table) }
            word(0, &table)
            word(0, &table)
            address(part.alignment, &table)
            address(0, &table)
        }
        return table
    }

    private func half(_ value: UInt16, _ bytes: inout [UInt8]) { bytes.appendInteger(value, bigEndian: isBigEndian) }
    private func word(_ value: UInt32, _ bytes: inout [UInt8]) { bytes.appendInteger(value, bigEndian: isBigEndian) }
    private func address(_ value: Int, _ bytes: inout [UInt8]) {
        if is64Bit {
            bytes.appendInteger(UInt64(value), bigEndian: isBigEndian)
        } else {
            bytes.appendInteger(UInt32(value), bigEndian: isBigEndian)
        }
    }
}

/// A bzImage around a payload, by the kernel's boot protocol document.
struct SyntheticBootImage {
    var payload: [UInt8]
    var version: UInt16 = 0x20F
    var sectors: UInt8 = 2
    var label = "6.1.0-test (a@b) #1 SMP"
    /// Bytes before the payload, as the decompressor's code is.
    var payloadOffset = 100

    /// - Parameters:
    ///   - kernel: the vmlinux.
    ///   - command: the compressor, from standard input to standard output.
    ///   - appendsSize: false for gzip, whose own trailer has the size.
    static func around(_ kernel: [UInt8], _ command: [String]) throws -> SyntheticBootImage {
        var payload = try ShellCommand(command[0], Array(command.dropFirst())).output(kernel)
        if command[0] != "gzip" { payload.appendInteger(UInt32(kernel.count)) }
        return SyntheticBootImage(payload: payload)
    }

    var bytes: [UInt8] {
        let setup = (Int(sectors == 0 ? 4 : sectors) + 1) * 512
        var image = [UInt8](repeating: 0x90, count: setup + payloadOffset)
        image[0x1F1] = sectors
        image.put(UInt16(0xAA55), at: 0x1FE)
        image.replaceSubrange(0x202..<0x206, with: "HdrS".utf8)
        image.put(version, at: 0x206)
        image.put(UInt16(0x280), at: 0x20E)
        image.put(UInt32(payloadOffset), at: 0x248)
        image.put(UInt32(payload.count), at: 0x24C)
        image.replaceSubrange(0x480..<(0x480 + label.utf8.count + 1), with: Array(label.utf8) + [0])
        return image + payload
    }
}

/// Why something was refused; nil if it was not, or by another kind of error.
func refusal(_ body: () throws -> Void) -> ProbeError.Reason? {
    do { try body() } catch let error as ProbeError { return error.reason } catch { return nil }
    return nil
}
