internal import KernelHeaders

/// A tree's manifest as packs have it: blobs by number, so that a manifest is mostly paths, and those mostly the parent's.
///
/// The raw form below is compressed as one zstd frame, with the raw form of the parent's manifest as its prefix if there
/// is a parent: the next revision of a kernel then takes some hundred bytes. Integers are LEB128 (``PackedWriter``):
///
/// ```
/// 1     version 0x01
/// n     entries, sorted by path, in two columns:
///         each: n bytes shared with the path before, n length and bytes of the rest,
///               1 kind: 0 file, 1 executable file, 2 link (n length and bytes of the target)
///         each file: signed n blob's number less the previous one's less one
/// ```
struct StoredManifest: Equatable {
    static let version: UInt8 = 1
    /// The longest chain of parents.
    static let maximumDepth = 32

    struct Entry: Equatable {
        enum Kind: Equatable {
            case file(number: Int, executable: Bool)
            case link(target: String)
        }
        var path: HeaderPath
        var kind: Kind
    }

    /// Sorted by path.
    var entries: [Entry]

    var encoded: [UInt8] {
        var writer = PackedWriter()
        writer.put(bytes: [Self.version])
        writer.put(entries.count)
        var previous: [UInt8] = []
        for entry in entries {
            let path = Array(entry.path.string.utf8)
            let shared = zip(previous, path).prefix { $0 == $1 }.count
            writer.put(shared)
            writer.put(path[shared...])
            switch entry.kind {
            case .file(_, let executable): writer.put(executable ? 1 : 0)
            case .link(let target):
                writer.put(2)
                writer.put(Array(target.utf8))
            }
            previous = path
        }
        var last = -1
        for case .file(let number, _) in entries.map(\.kind) {
            writer.putSigned(number - last - 1)
            last = number
        }
        return writer.bytes
    }

    init(entries: [Entry]) { self.entries = entries }

    /// Of the files' blobs, in the order of the entries.
    var numbers: [Int] { entries.compactMap { if case .file(let number, _) = $0.kind { number } else { nil } } }

    /// - Throws: `Problem` with `store-damaged`.
    init(encoded: [UInt8]) throws {
        var reader = PackedReader(encoded)
        guard try reader.bytes(1).first == Self.version else { throw PackedReader.damaged }
        var paths: [(path: HeaderPath, executable: Bool, target: String?)] = []
        var previous: [UInt8] = []
        for _ in 0..<(try reader.count()) {
            let shared = try reader.integer()
            guard shared <= previous.count else { throw PackedReader.damaged }
            previous = Array(previous[..<shared]) + (try reader.text())
            guard let path = HeaderPath(String(decoding: previous, as: UTF8.self)) else { throw PackedReader.damaged }
            let kind = try reader.integer()
            guard kind <= 2 else { throw PackedReader.damaged }
            let target = kind == 2 ? String(decoding: try reader.text(), as: UTF8.self) : nil
            paths.append((path, kind == 1, target))
        }
        var number = -1
        entries = []
        for item in paths {
            if let target = item.target {
                entries.append(Entry(path: item.path, kind: .link(target: target)))
            } else {
                let (next, overflow) = number.addingReportingOverflow(try reader.signedInteger())
                guard !overflow, next >= -1, next < Int.max else { throw PackedReader.damaged }
                number = next + 1
                entries.append(Entry(path: item.path, kind: .file(number: number, executable: item.executable)))
            }
        }
        guard reader.isAtEnd else { throw PackedReader.damaged }
    }
}
