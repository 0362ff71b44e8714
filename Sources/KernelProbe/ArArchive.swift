/// The members of a Unix `ar` archive, which a Debian package is (deb(5)).
///
/// By hand: the format is a magic and a 60-byte header of text before each member, and a library for it (libarchive,
/// which brings ten others) would have to be on each host.
struct ArArchive {
    static let magic = Array("!<arch>\n".utf8)
    private static let headerLength = 60
    /// The most members read. A package has three.
    private static let memberLimit = 64

    /// Each member's name and where its contents are, in order.
    let members: [(name: String, range: Range<Int>)]

    /// - Throws: ``ProbeError`` with `packageDamaged`, `truncated`.
    init(_ bytes: any RandomAccessBytes) throws {
        guard try bytes.firstBytes(Self.magic.count) == Self.magic else {
            throw Self.damaged("it does not start as an ar archive")
        }
        var members: [(name: String, range: Range<Int>)] = []
        var position = Self.magic.count
        while position < bytes.count {
            guard members.count < Self.memberLimit else {
                throw Self.damaged("it has over \(Self.memberLimit) members")
            }
            let header = try bytes.bytes(at: UInt64(position), count: UInt64(Self.headerLength), "A member's header")
            guard header.suffix(2).elementsEqual("`\n".utf8), let size = Self.decimal(header[48..<58]) else {
                throw Self.damaged("a member's header is malformed")
            }
            let start = position + Self.headerLength
            guard size <= bytes.count - start else {
                throw ProbeError(.truncated, "The package ends inside its member \(Self.name(header)). It was cut off.")
            }
            members.append((Self.name(header), start..<(start + size)))
            // Members start at even offsets.
            position = start + size + size % 2
        }
        self.members = members
    }

    /// The name, without the spaces that fill it up, and without the slash that GNU ar puts behind it.
    private static func name(_ header: [UInt8]) -> String {
        String(decoding: header[..<16].prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "/") }, as: UTF8.self)
    }

    /// Digits, then spaces. At most ten digits, so no overflow.
    private static func decimal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard field.dropFirst(digits.count).allSatisfy({ $0 == UInt8(ascii: " ") }) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    private static func damaged(_ what: String) -> ProbeError {
        ProbeError(.packageDamaged, "The package is damaged: \(what).")
    }
}
