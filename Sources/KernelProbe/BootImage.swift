internal import HeaderArchive
internal import KernelHeaders

/// An x86 bzImage, which distributions install as `vmlinuz`: a boot protocol header and a compressed vmlinux.
///
/// The header's fields are those of the kernel's `Documentation/arch/x86/boot.rst`. The payload is where the header says
/// (protocol 2.08, Linux 2.6.26), so nothing is searched for. Its last four bytes are the size that it unpacks to.
struct BootImage {
    /// As the header has it; nil if it has none. Known without unpacking.
    let banner: KernelBanner?
    private let bytes: any RandomAccessBytes
    private let payload: Range<Int>
    private let compression: PayloadCompression
    /// Bytes of the vmlinux inside.
    private let unpackedSize: Int

    /// Bytes of a file's start that the header lies in.
    static let headerLength = 0x250
    private static let sector = 512
    private static let magicOffset = 0x202

    /// Whether a file's first bytes are a boot protocol header's.
    static func matches(_ start: [UInt8]) -> Bool {
        start.dropFirst(magicOffset).starts(with: "HdrS".utf8)
    }

    /// - Throws: ``ProbeError`` with `formatUnsupported`, `truncated`, `bootHeaderMalformed`, `payloadUnsupported`.
    init(_ bytes: any RandomAccessBytes) throws {
        self.bytes = bytes
        let start = try bytes.firstBytes(Self.headerLength)
        guard Self.matches(start) else { throw ProbeError(.formatUnsupported, "This is not a bzImage.") }
        let fields = BinaryFields(start, isBigEndian: false)
        guard let sectors = fields.integer(UInt8.self, at: 0x1F1), let version = fields.integer(UInt16.self, at: 0x206),
            let label = fields.integer(UInt16.self, at: 0x20E), let offset = fields.integer(UInt32.self, at: 0x248),
            let length = fields.integer(UInt32.self, at: 0x24C)
        else { throw ProbeError(.truncated, "The bzImage ends inside its header. It was cut off.") }
        guard version >= 0x208 else {
            throw ProbeError(
                .payloadUnsupported,
                "The bzImage has boot protocol \(version >> 8).\(version & 0xFF), which does not say where the kernel is "
                    + "(2.8 does, Linux 2.6.26). Give the vmlinux.")
        }
        // A count of 0 means 4, for the sake of ancient boot loaders.
        let setupEnd = (Int(sectors == 0 ? 4 : sectors) + 1) * Self.sector
        banner = try Self.label(bytes, at: Int(label), setupEnd: setupEnd)
        let payloadStart = setupEnd + Int(offset)
        payload = payloadStart..<(payloadStart + Int(length))
        guard payload.upperBound <= bytes.count else {
            throw ProbeError(.truncated, "The bzImage's payload lies behind the end of the file. It was cut off.")
        }
        guard payload.count > 8 else {
            throw ProbeError(.bootHeaderMalformed, "The bzImage's payload has only \(payload.count) bytes.")
        }
        compression = try Self.compression(bytes, payload, banner)
        let size = try bytes.bytes(at: UInt64(payload.upperBound - 4), count: 4, "The payload's size")
        unpackedSize = Int(BinaryFields(size, isBigEndian: false).integer(UInt32.self, at: 0) ?? 0)
    }

    /// The kernel inside.
    ///
    /// - Parameter limit: the most bytes it may unpack to.
    /// - Throws: ``ProbeError`` with `tooLarge`, `payloadUnsupported`, `payloadDamaged`.
    func unpack(limit: Int) throws -> [UInt8] {
        guard unpackedSize <= limit else {
            throw ProbeError(
                .tooLarge, "The bzImage unpacks to \(unpackedSize) bytes; the limit is \(limit).")
        }
        do {
            return try decompress()
        } catch let error as Problem {
            throw ProbeError(.payloadDamaged, "The bzImage's payload can't be unpacked. \(error.detail)")
        }
    }

    private func decompress() throws -> [UInt8] {
        let source = RangeSource(bytes, payload.dropLast(compression.trailerLength))
        guard let decompressor = try compression.open(source) else {
            throw Self.unsupported(compression.rawValue, banner)
        }
        let size = ProbeError(
            .payloadDamaged,
            "The bzImage's payload does not unpack to the \(unpackedSize) bytes that it says. It is damaged.")
        var kernel: [UInt8] = []
        // What the size says is not taken on trust: kernels are 4 to 8 times larger than their payload.
        kernel.reserveCapacity(min(unpackedSize, 16 * payload.count))
        try decompressor.drain { piece in
            guard piece.count <= unpackedSize - kernel.count else { throw size }
            kernel.append(contentsOf: piece)
        }
        guard kernel.count == unpackedSize else { throw size }
        return kernel
    }

    private static func compression(
        _ bytes: any RandomAccessBytes, _ payload: Range<Int>, _ banner: KernelBanner?
    ) throws -> PayloadCompression {
        let start = try bytes.bytes(at: UInt64(payload.lowerBound), count: 2, "The payload")
        guard let compression = PayloadCompression(start: start) else {
            throw unsupported("of an unknown form", banner)
        }
        return compression
    }

    private static func unsupported(_ form: String, _ banner: KernelBanner?) -> ProbeError {
        ProbeError(
            .payloadUnsupported,
            "The payload of this bzImage\(banner.map { " (\($0.release))" } ?? "") is \(form). Read are gzip, xz, zstd, lz4 "
                + "and lzma. Give the vmlinux instead.")
    }

    /// The `kernel_version` text: at an offset from the second sector, 0 for none, ended by a NUL within the setup code.
    private static func label(_ bytes: any RandomAccessBytes, at pointer: Int, setupEnd: Int) throws -> KernelBanner? {
        let start = sector + pointer
        let end = min(setupEnd, bytes.count, start + KernelIdentity.maximumLabelLength)
        guard pointer != 0, start < end else { return nil }
        return KernelBanner(try bytes.bytes(at: UInt64(start), count: UInt64(end - start), "The kernel's version"))
    }
}
