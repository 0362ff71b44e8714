internal import Glibc

/// A file's path in a header tree: relative, UTF-8, without `.`, `..` or empty components.
///
/// Paths are compared, hashed and sorted by their bytes: Swift's own string equality would take two names that differ
/// in Unicode normalisation for one, where the file systems of kernels see two.
public struct HeaderPath: Hashable, Sendable {
    /// The longest path, in bytes; the kernel's own `PATH_MAX` is 4096 and has to hold the folder above as well.
    public static let maximumLength = 1024
    /// The longest component, in bytes: `NAME_MAX`.
    public static let maximumComponentLength = 255
    /// The most components. Kernel headers have up to 9.
    public static let maximumDepth = 32

    /// Why a name is not a path of a header tree.
    public enum Flaw: Error, Equatable, Sendable {
        case empty, absolute, parentReference, notUTF8, containsNUL, tooLong, tooDeep
    }

    /// The path's text, such as `include/linux/sched.h`.
    public let string: String

    /// Normalises a name as archives have it: a leading `./`, doubled slashes, inner `.` and a trailing `/` go away.
    ///
    /// - Parameter name: the bytes of the name.
    /// - Throws: ``Flaw``; `.empty` also for `.` and `./`, the root itself.
    public init(normalising name: some Collection<UInt8>) throws(Flaw) {
        // Looked at before the name is cleaned up: a name that is long because of its slashes is hostile too. But for the
        // "./" that archives of kernel headers have in front, ours included.
        let marker = name.starts(with: "./".utf8) ? 2 : 0
        guard name.count <= Self.maximumLength + marker else { throw .tooLong }
        guard name.first != UInt8(ascii: "/") else { throw .absolute }
        guard !name.contains(0) else { throw .containsNUL }
        guard String(validating: name, as: UTF8.self) != nil else { throw .notUTF8 }
        // Split as bytes: as characters, a slash followed by a combining mark is not a slash, and hides a "..".
        var components: [[UInt8]] = []
        for component in name.split(separator: UInt8(ascii: "/")) where !component.elementsEqual(".".utf8) {
            guard !component.elementsEqual("..".utf8) else { throw .parentReference }
            guard component.count <= Self.maximumComponentLength else { throw .tooLong }
            components.append(Array(component))
        }
        guard !components.isEmpty else { throw .empty }
        guard components.count <= Self.maximumDepth else { throw .tooDeep }
        string = String(decoding: Array(components.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }

    /// The same, for whom every nanosecond counts: most names need nothing but a look at each byte.
    package init(normalising name: [UInt8]) throws(Flaw) {
        if let path = name.withUnsafeBufferPointer({ Self.ordinary($0) }) {
            self.init(trusted: path)
        } else {
            try self.init(normalising: name[...])
        }
    }

    /// The path of a name in ASCII that is in its normal form but for a `./` in front; nil if it is not, and has to be looked
    /// at closely.
    private static func ordinary(_ name: UnsafeBufferPointer<UInt8>) -> String? {
        let (slash, dot) = (UInt8(ascii: "/"), UInt8(ascii: "."))
        var path = name[...]
        if path.count > 2, path[0] == dot, path[1] == slash { path = path.dropFirst(2) }
        guard path.count <= maximumLength else { return nil }
        var depth = 1
        var start = path.startIndex
        for index in path.indices {
            let byte = path[index]
            guard byte != 0, byte < 0x80 else { return nil }
            guard byte == slash else { continue }
            // Empty, or "." or "..", or one that only begins like them.
            guard index > start, path[start] != dot, index - start <= maximumComponentLength else { return nil }
            depth += 1
            start = index + 1
        }
        guard start < path.endIndex, path[start] != dot, path.endIndex - start <= maximumComponentLength,
            depth <= maximumDepth
        else { return nil }
        return String(decoding: UnsafeBufferPointer(rebasing: path), as: UTF8.self)
    }

    /// - Returns: nil unless the text is a path in its normal form already.
    public init?(_ text: String) {
        guard let path = try? HeaderPath(normalising: Array(text.utf8)), path.string.utf8.elementsEqual(text.utf8)
        else {
            return nil
        }
        self = path
    }

    /// The components, at least one.
    public var components: [String] {
        string.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    }

    /// The folders above, outermost first: `include`, `include/linux` for `include/linux/sched.h`.
    public var ancestors: [HeaderPath] {
        string.utf8.indices.filter { string.utf8[$0] == UInt8(ascii: "/") }
            .map { HeaderPath(trusted: String(string[..<$0])) }
    }

    /// Whether this is in a folder, and not in a folder of it.
    package func isDirectly(in folder: HeaderPath) -> Bool {
        withBytes { path in
            folder.withBytes { folder in
                guard path.count > folder.count + 1, path[folder.count] == UInt8(ascii: "/"),
                    Self.compare(UnsafeRawBufferPointer(rebasing: path[..<folder.count]), folder) == 0
                else { return false }
                return !path[(folder.count + 1)...].contains(UInt8(ascii: "/"))
            }
        }
    }

    /// The folder that this is in; nil at the top.
    package var parent: HeaderPath? {
        string.utf8.lastIndex(of: UInt8(ascii: "/")).map { HeaderPath(trusted: String(string[..<$0])) }
    }

    package func withBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        // Strings of Swift's own have their bytes in one piece.
        string.utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) }
            ?? Array(string.utf8).withUnsafeBytes(body)
    }

    private init(trusted: String) { string = trusted }

    public static func == (one: HeaderPath, other: HeaderPath) -> Bool {
        compare(one, other) == 0
    }

    /// Below 0, 0, or above, as C's functions have it.
    fileprivate static func compare(_ one: HeaderPath, _ other: HeaderPath) -> Int {
        one.withBytes { one in other.withBytes { other in compare(one, other) } }
    }

    private static func compare(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Int {
        guard let start = one.baseAddress, let otherStart = other.baseAddress else { return one.count - other.count }
        let order = Int(memcmp(start, otherStart, min(one.count, other.count)))
        return order == 0 ? one.count - other.count : order
    }

    public func hash(into hasher: inout Hasher) {
        withBytes { hasher.combine(bytes: $0) }
    }
}

extension HeaderPath: Comparable {
    /// The order of the bytes, which is the order of every list of paths in this project.
    public static func < (one: HeaderPath, other: HeaderPath) -> Bool {
        compare(one, other) < 0
    }
}

extension HeaderPath: CustomStringConvertible {
    public var description: String { string }
}

extension HeaderPath: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let path = HeaderPath(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a path of a header tree")
        }
        self = path
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(string)
    }
}
