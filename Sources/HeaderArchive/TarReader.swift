internal import KernelHeaders

/// Reads a tar from the front: ustar, pax extended headers (path, linkpath, size), GNU long names and links.
///
/// Memory is bounded by ``ArchiveLimits/metadataBytes``, whatever the archive holds. Names and links come as the bytes
/// they are; ``HeaderTreeReader`` decides what is allowed. The end of the archive must be marked by two zero blocks.
public struct TarReader {
    private let source: any ByteSource
    private let limits: ArchiveLimits
    private let block = BlockBuffer()
    /// Bytes of the current entry not read yet, and the padding behind them.
    private var contentsLeft = 0
    private var paddingLeft = 0
    private var globalRecords: [String: [UInt8]] = [:]
    private var ended = false

    /// - Parameter source: the tar, decompressed.
    public init(_ source: any ByteSource, limits: ArchiveLimits = .standard) {
        self.source = source
        self.limits = limits
    }

    /// The next entry; what is left of the one before is skipped. Nil at the end of the archive.
    ///
    /// - Throws: `Problem` with an `archive-…` code.
    public mutating func next() throws -> TarEntry? {
        guard !ended else { return nil }
        var longName: [UInt8]?
        var longLink: [UInt8]?
        var records = globalRecords
        while true {
            try skipRest()
            guard let header = try readHeader() else {
                ended = true
                return nil
            }
            setContents(header.size)
            switch header.typeFlag {
            case UInt8(ascii: "L"): longName = try readMetadata().prefixBeforeNUL
            case UInt8(ascii: "K"): longLink = try readMetadata().prefixBeforeNUL
            case UInt8(ascii: "x"): records.merge(try readPaxRecords()) { $1 }
            case UInt8(ascii: "g"):
                globalRecords.merge(try readPaxRecords()) { $1 }
                records.merge(globalRecords) { own, _ in own }
            default:
                var entry = TarEntry(
                    name: records["path"] ?? longName ?? header.name, kind: Self.kind(header.typeFlag),
                    size: header.size, mode: header.mode, linkTarget: records["linkpath"] ?? longLink ?? header.linkName
                )
                if let text = records["size"] {
                    guard let size = Self.decimal(text) else {
                        throw Problem(.archiveCorrupt, "A pax header's size is not a number. The archive is damaged.")
                    }
                    entry.size = size
                }
                if records[Self.sparseKey] != nil { entry.kind = .other(UInt8(ascii: "S")) }
                // Of links and folders some writers keep a size though no contents follow.
                if entry.kind != .file { entry.size = Self.hasContents(entry.kind) ? entry.size : 0 }
                setContents(entry.size)
                return entry
            }
        }
    }

    /// Hands the current entry's contents to `sink`, a piece at a time.
    public mutating func readContents(_ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        while contentsLeft > 0 {
            let piece = block.large.prefix(contentsLeft)
            let buffer = UnsafeMutableRawBufferPointer(rebasing: piece)
            let count = try source.read(into: buffer)
            guard count > 0 else { throw Self.truncated }
            contentsLeft -= count
            try sink(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Reads what follows the end mark: tar pads with zeros, anything else is refused. Also lets the decompressor below
    /// see its own end, where its checksum is.
    public mutating func readToEnd() throws {
        try source.drain { bytes in
            guard TarHeader.isZero(bytes) else {
                throw Problem(
                    .archiveTrailingData, "There is data after the end of the tar. Send one archive at a time.")
            }
        }
    }

    private mutating func setContents(_ size: Int) {
        contentsLeft = size
        paddingLeft = (TarHeader.blockSize - size % TarHeader.blockSize) % TarHeader.blockSize
    }

    /// Nil at the two zero blocks that end a tar.
    private func readHeader() throws -> TarHeader? {
        try readBlock()
        guard TarHeader.isZero(UnsafeRawBufferPointer(block.small)) else {
            return try TarHeader(UnsafeRawBufferPointer(block.small))
        }
        try readBlock()
        guard TarHeader.isZero(UnsafeRawBufferPointer(block.small)) else {
            throw Problem(.archiveCorrupt, "The tar has a single zero block in its middle. The archive is damaged.")
        }
        return nil
    }

    private func readBlock() throws {
        guard try source.readFully(into: block.small) == TarHeader.blockSize else { throw Self.truncated }
    }

    private mutating func skipRest() throws {
        // One after the other: the sum of a hostile size and its padding may be more than an integer holds.
        try readContents { _ in }
        contentsLeft = paddingLeft
        paddingLeft = 0
        try readContents { _ in }
    }

    /// The contents of a header that describes the next entry.
    private mutating func readMetadata() throws -> [UInt8] {
        guard contentsLeft <= limits.metadataBytes else {
            throw Problem(
                .archiveMetadataTooLarge, "A name or pax header in the tar is over \(limits.metadataBytes) bytes.")
        }
        var bytes: [UInt8] = []
        try readContents { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Records of the form `LENGTH KEY=VALUE\n`, the length counting the whole record. Only those that matter here are
    /// kept, as an archive may have any number of headers full of others.
    private mutating func readPaxRecords() throws -> [String: [UInt8]] {
        var rest = try readMetadata()[...]
        var records: [String: [UInt8]] = [:]
        while !rest.isEmpty {
            guard let space = rest.firstIndex(of: 0x20),
                let length = Self.decimal(rest[..<space]),
                length > space - rest.startIndex + 1, length <= rest.count,
                case let record = rest[(space + 1)..<(rest.startIndex + length)], record.last == UInt8(ascii: "\n"),
                let equals = record.firstIndex(of: UInt8(ascii: "="))
            else { throw Problem(.archiveCorrupt, "A pax header is malformed. The archive is damaged.") }
            let key = String(decoding: record[..<equals], as: UTF8.self)
            if key == "path" || key == "linkpath" || key == "size" {
                records[key] = Array(record[(equals + 1)...].dropLast())
            } else if key.hasPrefix(Self.sparseKey) {
                records[Self.sparseKey] = []
            }
            rest = rest.dropFirst(length)
        }
        return records
    }

    /// All keys with this prefix say that the file is sparse, and stand for each other here.
    private static let sparseKey = "GNU.sparse."

    /// A number as POSIX has it in pax records: digits and nothing else, where Swift's own initialiser takes a sign.
    private static func decimal(_ text: some Collection<UInt8>) -> Int? {
        guard text.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
        return Int(String(decoding: text, as: UTF8.self))
    }

    private static func kind(_ flag: UInt8) -> TarEntry.Kind {
        switch flag {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): .file
        case UInt8(ascii: "1"): .hardLink
        case UInt8(ascii: "2"): .symbolicLink
        case UInt8(ascii: "3"): .characterDevice
        case UInt8(ascii: "4"): .blockDevice
        case UInt8(ascii: "5"): .directory
        case UInt8(ascii: "6"): .fifo
        default: .other(flag)
        }
    }

    private static func hasContents(_ kind: TarEntry.Kind) -> Bool {
        if case .other = kind { true } else { kind == .file }
    }

    private static var truncated: Problem {
        Problem(.archiveTruncated, "The tar ends before its end mark. Send the whole archive.")
    }
}

/// The reader's buffers, freed with it.
private final class BlockBuffer {
    let small = UnsafeMutableRawBufferPointer.allocate(byteCount: TarHeader.blockSize, alignment: 16)
    let large = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    deinit {
        small.deallocate()
        large.deallocate()
    }
}

extension [UInt8] {
    fileprivate var prefixBeforeNUL: [UInt8] { Array(prefix { $0 != 0 }) }
}
