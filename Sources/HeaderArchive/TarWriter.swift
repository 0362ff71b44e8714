public import KernelHeaders

/// Writes a tar with the same bytes for the same tree, in the layout of the kernel's own `kheaders.tar.xz`: names start
/// with `./`, folders are entries, owner and group are 0.
///
/// POSIX ustar headers; a name that does not fit (100 bytes, or 155 more in the prefix) or a long link gets a pax header.
/// Every time is ``modificationTime``. The end is padded to 10,240 bytes, as GNU tar does.
public final class TarWriter {
    /// 1980-01-01 00:00 UTC, in seconds since 1970. Real times are no part of a tree, and 0 makes some tools warn.
    public static let modificationTime = 315_532_800

    private let sink: any ByteSink
    private var written = 0
    private var contentsLeft = 0
    private var padding = 0
    private static let zeros = [UInt8](repeating: 0, count: 10_240)

    public init(_ sink: any ByteSink) { self.sink = sink }

    public func addDirectory(_ path: HeaderPath) throws {
        try putHeaders(name: "./\(path)/", flag: UInt8(ascii: "5"), size: 0, mode: 0o755, link: "")
    }

    public func addLink(_ path: HeaderPath, target: String) throws {
        try putHeaders(name: "./\(path)", flag: UInt8(ascii: "2"), size: 0, mode: 0o777, link: target)
    }

    /// Starts a file; exactly `size` bytes must be given to ``write(_:)`` after it.
    public func addFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        try putHeaders(
            name: "./\(path)", flag: UInt8(ascii: "0"), size: size, mode: executable ? 0o755 : 0o644, link: "")
        contentsLeft = size
        padding = (TarHeader.blockSize - size % TarHeader.blockSize) % TarHeader.blockSize
        if size == 0 { padding = 0 }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        precondition(bytes.count <= contentsLeft, "more contents than the file's size")
        try put(bytes)
        contentsLeft -= bytes.count
        if contentsLeft == 0 {
            try put(Self.zeros.prefix(padding))
            padding = 0
        }
    }

    /// Writes the end mark and finishes the sink.
    public func finish() throws {
        precondition(contentsLeft == 0, "less contents than the file's size")
        try put(Self.zeros.prefix(2 * TarHeader.blockSize))
        try put(Self.zeros.prefix((Self.zeros.count - written % Self.zeros.count) % Self.zeros.count))
        try sink.finish()
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws {
        written += bytes.count
        try sink.write(bytes)
    }

    private func put(_ bytes: some Collection<UInt8>) throws {
        try Array(bytes).withUnsafeBytes { try put($0) }
    }

    private func putHeaders(name: String, flag: UInt8, size: Int, mode: Int, link: String) throws {
        precondition(contentsLeft == 0, "less contents than the last file's size")
        let split = Self.split(Array(name.utf8))
        let target = Array(link.utf8)
        if split == nil || target.count > 100 {
            var records = Self.paxRecord("path", name)
            if target.count > 100 { records += Self.paxRecord("linkpath", link) }
            try put(
                Self.header(name: Array("./PaxHeader".utf8), flag: UInt8(ascii: "x"), size: records.count, mode: 0o644))
            try put(records)
            try put(
                Self.zeros.prefix((TarHeader.blockSize - records.count % TarHeader.blockSize) % TarHeader.blockSize))
        }
        let fields = split ?? (prefix: [], name: Array(name.utf8.prefix(100)))
        try put(
            Self.header(
                prefix: fields.prefix, name: fields.name, flag: flag, size: size, mode: mode,
                link: Array(target.prefix(100))))
    }

    /// The prefix and name fields of a ustar header, or nil if the name fits neither.
    private static func split(_ name: [UInt8]) -> (prefix: [UInt8], name: [UInt8])? {
        if name.count <= 100 { return ([], name) }
        for index in name.indices.dropLast() where name[index] == UInt8(ascii: "/") && index <= 155 {
            if name.count - index - 1 <= 100 { return (Array(name[..<index]), Array(name[(index + 1)...])) }
        }
        return nil
    }

    /// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
    private static func paxRecord(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n".utf8
        var length = rest.count + 1
        while rest.count + String(length).utf8.count != length { length = rest.count + String(length).utf8.count }
        return Array("\(length)".utf8) + rest
    }

    private static func header(
        prefix: [UInt8] = [], name: [UInt8], flag: UInt8, size: Int, mode: Int, link: [UInt8] = []
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: TarHeader.blockSize)
        func set(_ offset: Int, _ bytes: [UInt8]) { block.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
        func octal(_ value: Int, _ width: Int) -> [UInt8] {
            let digits = String(value, radix: 8)
            return Array((String(repeating: "0", count: width - digits.count) + digits).utf8)
        }
        set(0, name)
        set(100, octal(mode, 7))
        set(108, octal(0, 7))
        set(116, octal(0, 7))
        set(124, octal(size, 11))
        set(136, octal(modificationTime, 11))
        set(148, Array("        ".utf8))
        set(156, [flag])
        set(157, link)
        set(257, Array("ustar\0".utf8) + Array("00".utf8))
        set(329, octal(0, 7))
        set(337, octal(0, 7))
        set(345, prefix)
        set(148, octal(block.reduce(0) { $0 + Int($1) }, 6) + [0, 0x20])
        return block
    }
}

extension TarWriter {
    /// Writes the folders a manifest's entries need and the entries, in the manifest's order.
    ///
    /// - Parameter contents: writes the contents of a file, in pieces, to the function it is given.
    public func add(
        _ manifest: TreeManifest,
        contents: (TreeManifest.Entry, (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        var folders: Set<HeaderPath> = []
        for entry in manifest.entries {
            for folder in entry.path.ancestors where folders.insert(folder).inserted { try addDirectory(folder) }
            switch entry.kind {
            case .link(let target): try addLink(entry.path, target: target)
            case .file(let size, _, let executable):
                try addFile(entry.path, size: size, executable: executable)
                try contents(entry) { try write($0) }
            }
        }
    }
}
