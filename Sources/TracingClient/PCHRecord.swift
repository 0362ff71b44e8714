internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
public import KernelHeaders
public import PrecompiledHeaders

/// What the cache says of a PCH, in the file `stamp.json` beside it.
///
/// Unlike a tree's stamp this is no reason to take the files for good: they are read and hashed whenever they are used, as
/// clang does not see what is wrong with a PCH, and bcc loads it into itself, as root.
public struct PCHRecord: Codable, Sendable, Equatable {
    /// The form of the record; one of another version is as good as none.
    static let currentVersion = 1

    var version = Self.currentVersion
    public var identity: KernelIdentity
    public var toolchain: Toolchain
    public var manifest: PCHManifest
    /// SHA-256 of the file, with this digest in it as zeros: what is said of a PCH is what was fetched with it.
    private var agreement = noAgreement
    /// Whether tools find the PCH beside a file of the stubs; see `CompilerProfile.isFoundByName`.
    public var isFoundByName: Bool
    /// The servers' URLs.
    public var place: String
    /// Seconds since 1970.
    public var added: Int

    public init(
        identity: KernelIdentity, toolchain: Toolchain, manifest: PCHManifest, isFoundByName: Bool, place: String,
        added: Int
    ) {
        self.identity = identity
        self.toolchain = toolchain
        self.manifest = manifest
        self.isFoundByName = isFoundByName
        self.place = place
        self.added = added
    }

    /// Nil if the bytes are no record of this version, or not those that were written.
    init?(_ bytes: [UInt8]) {
        guard var record = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
            record.version == Self.currentVersion, Self.agreement(of: bytes) == record.agreement,
            record.manifest.toolchain == record.toolchain.id, (try? ManifestCheck.check(record.manifest)) != nil
        else { return nil }
        record.agreement = Self.noAgreement
        self = record
    }

    /// The file's bytes.
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var bytes = Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
        if let place = Self.place(in: bytes), let agreement = Self.agreement(of: bytes) {
            bytes.replaceSubrange(place, with: "\(agreement)".utf8)
        }
        return bytes
    }

    private static let noAgreement = [UInt8](repeating: 0, count: 32).withUnsafeBytes { Digest($0) }

    private static func agreement(of bytes: [UInt8]) -> Digest? {
        guard let place = place(in: bytes) else { return nil }
        var bytes = bytes
        bytes.replaceSubrange(place, with: "\(noAgreement)".utf8)
        return SHA256Hash.digest(of: bytes)
    }

    /// Where the digest's letters are; nil if they are nowhere.
    private static func place(in bytes: [UInt8]) -> Range<Int>? {
        let name = #""agreement":""#
        guard let start = bytes.offset(of: Array(name.utf8)).map({ $0 + name.utf8.count }), start + 64 <= bytes.count
        else { return nil }
        return start..<start + 64
    }

    /// For the cache's list.
    var stamp: CacheStamp {
        CacheStamp(
            identity: identity, digest: manifest.digest, origin: .server, place: place, rank: nil,
            files: 1 + manifest.stubs.count + manifest.blocked.count, bytes: manifest.bytes, added: added)
    }
}
