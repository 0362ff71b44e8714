/// What a header tree holds: a list of files and symbolic links, sorted by path.
///
/// Owners, times, empty folders and the way an archive was compressed are not part of it, so equal headers have equal
/// manifests. Its canonical bytes, whose SHA-256 is the **tree digest**, are (integers little-endian):
///
/// ```
/// 8        magic "KHTREE", 0x00, version 0x01
/// then for each entry, in the order of the bytes of the paths:
/// 1        kind: 'f' file, 'x' executable file, 'l' symbolic link
/// 4        length of the path, in bytes
/// …        the path, UTF-8
///          'f' and 'x':                          'l':
/// 8        size of the contents, in bytes        4   length of the target, in bytes
/// 32       SHA-256 of the contents               …   the target, UTF-8
/// ```
///
/// Folders are not entries: a tree has those that its entries need.
public struct TreeManifest: Equatable, Sendable {
    /// The first bytes of the canonical form; the last one is its version.
    public static let magic: [UInt8] = Array("KHTREE".utf8) + [0, 1]

    /// What is at a path.
    public enum Kind: Equatable, Sendable {
        /// A regular file. `size` is in bytes; `executable` is true if anyone may execute it.
        case file(size: Int, digest: Digest, executable: Bool)
        /// A symbolic link, and the text it holds.
        case link(target: String)

        // Targets by their bytes, for the reason that ``HeaderPath`` has: what is equal has the same tree digest.
        public static func == (one: Kind, other: Kind) -> Bool {
            switch (one, other) {
            case (
                .file(let size, let digest, let executable), .file(let otherSize, let otherDigest, let otherExecutable)
            ):
                size == otherSize && digest == otherDigest && executable == otherExecutable
            case (.link(let target), .link(let otherTarget)): target.utf8.elementsEqual(otherTarget.utf8)
            default: false
            }
        }
    }

    /// A path and what is there.
    public struct Entry: Equatable, Sendable {
        public let path: HeaderPath
        public let kind: Kind

        public init(path: HeaderPath, kind: Kind) {
            self.path = path
            self.kind = kind
        }
    }

    /// Sorted by ``HeaderPath``'s order, no path twice.
    public let entries: [Entry]

    /// - Parameter entries: in any order, no path twice.
    public init(entries: [Entry]) {
        // Archives are mostly sorted.
        let isSorted = zip(entries, entries.dropFirst()).allSatisfy { $0.path < $1.path }
        self.entries = isSorted ? entries : entries.sorted { $0.path < $1.path }
    }

    /// The canonical form, see the type's description.
    public var canonicalBytes: [UInt8] {
        var bytes = Self.magic
        bytes.reserveCapacity(entries.count * 96)
        for entry in entries {
            switch entry.kind {
            case .file(let size, let digest, let executable):
                bytes.append(executable ? UInt8(ascii: "x") : UInt8(ascii: "f"))
                entry.path.append(to: &bytes)
                bytes.appendLittleEndian(UInt64(size))
                digest.append(to: &bytes)
            case .link(let target):
                bytes.append(UInt8(ascii: "l"))
                entry.path.append(to: &bytes)
                bytes.appendLittleEndian(UInt32(target.utf8.count))
                bytes.append(contentsOf: target.utf8)
            }
        }
        return bytes
    }

    /// Number of regular files.
    public var fileCount: Int { entries.count { if case .file = $0.kind { true } else { false } } }

    /// Bytes of all regular files' contents.
    public var contentBytes: Int {
        entries.reduce(0) { sum, entry in if case .file(let size, _, _) = entry.kind { sum + size } else { sum } }
    }

    /// Where in ``entries`` a path is, or nil. Takes O(log n).
    public func index(of path: HeaderPath) -> Int? { Self.index(of: path, in: entries) }

    /// - Parameter entries: sorted by path.
    package static func index(of path: HeaderPath, in entries: [Entry]) -> Int? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].path < path { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].path == path ? low : nil
    }

    /// The entry at a path, or nil.
    public subscript(path: HeaderPath) -> Entry? { index(of: path).map { entries[$0] } }
}

extension HeaderPath {
    /// Length and bytes, as the canonical form has them.
    fileprivate func append(to bytes: inout [UInt8]) {
        withBytes {
            bytes.appendLittleEndian(UInt32($0.count))
            bytes.append(contentsOf: $0)
        }
    }
}

extension [UInt8] {
    /// Appends an integer's bytes, least significant first.
    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
