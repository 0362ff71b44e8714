internal import HeaderArchive
public import KernelHeaders

/// A kernel in a file: an ELF vmlinux, or a bzImage (`vmlinuz`) with one inside. Told by content, not by name.
public struct KernelImage: Sendable {
    /// What the image says of its kernel; release, version line and BTF included.
    public let identity: KernelIdentity
    /// Its BTF, as `/sys/kernel/btf/vmlinux` has it where it runs; nil if it carries none.
    public let btf: [UInt8]?

    /// The most bytes a bzImage may unpack to, unless the caller says otherwise. Kernels have 30 to 100 MB.
    public static let standardLimit = 512 << 20

    /// - Parameters:
    ///   - path: of a regular file. Of a vmlinux only the parts needed are read, however large it is.
    ///   - limit: the most bytes a bzImage may unpack to, in memory.
    /// - Throws: ``ProbeError``; `SystemCallError`.
    public init(path: String, limit: Int = KernelImage.standardLimit) throws {
        try self.init(FileBytes(path: path), limit: limit)
    }

    init(_ bytes: any RandomAccessBytes, limit: Int = KernelImage.standardLimit) throws {
        let start = try bytes.firstBytes(BootImage.headerLength)
        let image: ELFImage
        if start.starts(with: ELFTables.magic) {
            image = try ELFImage(bytes)
        } else if BootImage.matches(start) {
            image = try ELFImage(try BootImage(bytes).unpack(limit: limit))
        } else {
            throw Self.refusal(bytes, start)
        }
        identity = try image.identity()
        btf = try image.btf()
    }

    /// Formats whose kernel is a flat binary: nothing in it says where its notes are, and guessing a key is no option.
    private static func refusal(_ bytes: any RandomAccessBytes, _ start: [UInt8]) -> ProbeError {
        let advice = "no build ID can be read from it. Give the vmlinux, or read /sys/kernel/notes where it runs."
        guard let name = flatFormat(start) ?? gzippedFormat(bytes, start) else {
            return ProbeError(
                .formatUnsupported,
                "This is neither an ELF vmlinux nor a bzImage (vmlinuz of x86), the two forms that a build ID can be read from."
            )
        }
        return ProbeError(.formatUnsupported, "This is \(name): \(advice)")
    }

    private static func flatFormat(_ start: [UInt8]) -> String? {
        func has(_ text: String, at offset: Int) -> Bool { start.dropFirst(offset).starts(with: text.utf8) }
        if has("MZ", at: 0), has("zimg", at: 4) {
            let compression = start.dropFirst(24).prefix(32).prefix { $0 != 0 }
            return "an EFI zboot image (\(String(decoding: compression, as: UTF8.self)))"
        }
        if has("ARM\u{64}", at: 56) { return "an arm64 Image" }
        if has("RSC\u{5}", at: 56) { return "a RISC-V Image" }
        if start.dropFirst(0x24).starts(with: [0x18, 0x28, 0x6F, 0x01]) { return "an arm zImage" }
        if start.starts(with: [0x27, 0x05, 0x19, 0x56]) { return "a U-Boot uImage" }
        return nil
    }

    private static func gzippedFormat(_ bytes: any RandomAccessBytes, _ start: [UInt8]) -> String? {
        guard start.starts(with: [0x1F, 0x8B]) else { return nil }
        var inside = [UInt8](repeating: 0, count: 64)
        let count = try? inside.withUnsafeMutableBytes {
            try GzipSource(RangeSource(bytes, 0..<bytes.count)).readFully(into: $0)
        }
        return flatFormat(Array(inside.prefix(count ?? 0))).map { "\($0), compressed by gzip" } ?? "a gzip file"
    }
}
