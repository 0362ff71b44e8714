internal import FoundationEssentials
public import KernelHeaders

/// What the cache says of an entry, in the file `stamp.json` beside the artefact: what it is, where it came from, and
/// what it looked like when it was last checked against its digest.
///
/// An entry is taken for good without reading its contents if it was checked in this boot and has the same fingerprint
/// still. After a reboot all of it is read again: nothing in the cache is synced, so a crash can leave files without
/// their contents behind, under names that are right.
public struct CacheStamp: Codable, Sendable, Equatable {
    /// Where an artefact came from.
    public enum Origin: String, Codable, Sendable {
        case server
        /// This host's `/sys/kernel/kheaders.tar.xz`.
        case kheaders
        /// This host's `/lib/modules/RELEASE`.
        case modules
    }

    /// The form of the stamp; one of another version is as good as none.
    static let currentVersion = 1

    var version = Self.currentVersion
    public var identity: KernelIdentity
    /// The tree digest; of BTF the SHA-256 of its bytes.
    public var digest: Digest
    public var origin: Origin
    /// The server's URL, or the path on this host.
    public var place: String
    /// How far the headers can be trusted to be this kernel's; nil if they are the running kernel's own archive.
    public var rank: HeaderSource?
    /// Regular files and the bytes of their contents.
    public var files: Int
    public var bytes: Int
    /// Seconds since 1970.
    public var added: Int
    /// The boot in which the contents were last checked (`/proc/sys/kernel/random/boot_id`), and what they looked like.
    var bootID = ""
    var fingerprint: UInt64 = 0
    /// The same of the tree's folders alone.
    var folders: UInt64 = 0

    /// Whether the artefact is at least as trustworthy as a rank.
    func satisfies(_ minimum: HeaderSource?) -> Bool {
        guard let minimum, let rank else { return true }
        return rank >= minimum
    }

    init(
        identity: KernelIdentity, digest: Digest, origin: Origin, place: String, rank: HeaderSource?, files: Int,
        bytes: Int, added: Int
    ) {
        self.identity = identity
        self.digest = digest
        self.origin = origin
        self.place = place
        self.rank = rank
        self.files = files
        self.bytes = bytes
        self.added = added
    }

    /// Nil if the bytes are no stamp of this version.
    init?(_ bytes: [UInt8]) {
        guard let stamp = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
            stamp.version == Self.currentVersion
        else { return nil }
        self = stamp
    }

    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }
}
