internal import KernelHeaders

/// Reads a tar from the front: ustar, pax extended headers (path, linkpath, size), GNU long names and links.
///
/// Memory is bounded by ``ArchiveLimits/metadataBytes`` and a window of 256 KiB, whatever the archive holds. Names and links come as the bytes
/// they are; ``HeaderTreeReader`` decides what is allowed. The end of the archive must be marked by two zero blocks.
public struct TarReader {
    private let source: any ByteSource
    private let limits: ArchiveLimits
    private let window = Window()
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

    /// Hands the current entry's contents to `sink`: in one piece if they are no longer than the window, and the source
    /// does not end in them.
    public mutating func readContents(_ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        while contentsLeft > 0 {
            try window.fill(min(contentsLeft, Window.size), from: source)
            let piece = window.take(contentsLeft)
            guard !piece.isEmpty else { throw Self.truncated }
            contentsLeft -= piece.count
            try sink(piece)
        }
    }

    /// Reads what follows the end mark: tar pads with zeros, anything else is refused. Also lets the decompressor below
    /// see its own end, where its checksum is.
    public mutating func readToEnd() throws {
        repeat {
            guard TarHeader.isZero(window.take(Window.size)) else {
                throw Problem(
                    .archiveTrailingData, "There is data after the end of the tar. Send one archive at a time.")
            }
            try window.fill(1, from: source)
        } while window.count > 0
    }

    private mutating func setContents(_ size: Int) {
        contentsLeft = size
        paddingLeft = (TarHeader.blockSize - size % TarHeader.blockSize) % TarHeader.blockSize
    }

    /// Nil at the two zero blocks that end a tar.
    private func readHeader() throws -> TarHeader? {
        let block = try readBlock()
        guard TarHeader.isZero(block) else { return try TarHeader(block) }
        guard TarHeader.isZero(try readBlock()) else {
            throw Problem(.archiveCorrupt, "The tar has a single zero block in its middle. The archive is damaged.")
        }
        return nil
    }

    private func readBlock() throws -> UnsafeRawBufferPointer {
        try window.fill(TarHeader.blockSize, from: source)
        let block = window.take(TarHeader.blockSize)
        guard block.count == TarHeader.blockSize else { throw Self.truncated }
        return block
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

/// What was read of the tar and is not handed out yet. It fits into a core's cache, where the next one who needs the
/// bytes, the hash or the disk, still finds them.
private final class Window {
    static let size = 1 << 18

    private let space = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    private var start = 0
    private var end = 0

    deinit { space.deallocate() }

    var count: Int { end - start }

    /// Reads until so many bytes are there, in one piece; fewer only at the end of the source. What was taken before is
    /// gone then.
    func fill(_ wanted: Int, from source: any ByteSource) throws {
        while count < wanted {
            if start > 0 {
                space.copyMemory(from: UnsafeRawBufferPointer(rebasing: space[start..<end]))
                (start, end) = (0, count)
            }
            let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: space[end...]))
            if read == 0 { return }
            end += read
        }
    }

    /// So many bytes, or all that are there; good until the next ``fill(_:from:)``.
    func take(_ most: Int) -> UnsafeRawBufferPointer {
        let piece = UnsafeRawBufferPointer(rebasing: space[start..<start + min(most, count)])
        start += piece.count
        return piece
    }
}

extension [UInt8] {
    fileprivate var prefixBeforeNUL: [UInt8] { Array(prefix { $0 != 0 }) }
}
