internal import FoundationEssentials
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
    /// SHA-256 of the manifest's canonical JSON, so that what is said of the files is what was fetched with them.
    var agreement: Digest
    /// Whether tools find the PCH beside a file of the stubs; see `CompilerProfile.isFoundByName`.
    public var isFoundByName: Bool
    /// The servers' URLs.
    public var place: String
    /// Seconds since 1970.
    public var added: Int

    public init(
        identity: KernelIdentity, toolchain: Toolchain, manifest: PCHManifest, isFoundByName: Bool, place: String,
        added: Int
    ) throws {
        self.identity = identity
        self.toolchain = toolchain
        self.manifest = manifest
        self.isFoundByName = isFoundByName
        self.place = place
        self.added = added
        agreement = try Self.agreement(identity, toolchain, manifest, isFoundByName)
    }

    /// Nil if the bytes are no record of this version, or what is in it does not go together.
    init?(_ bytes: [UInt8]) {
        guard let record = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
            record.version == Self.currentVersion, (try? ManifestCheck.check(record.manifest)) != nil,
            record.manifest.toolchain == record.toolchain.id,
            let agreement = try? Self.agreement(
                record.identity, record.toolchain, record.manifest, record.isFoundByName),
            agreement == record.agreement
        else { return nil }
        self = record
    }

    func encoded() throws -> [UInt8] { Array(try Self.encoder.encode(self)) + [UInt8(ascii: "\n")] }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    private static func agreement(
        _ identity: KernelIdentity, _ toolchain: Toolchain, _ manifest: PCHManifest, _ isFoundByName: Bool
    ) throws -> Digest {
        struct Parts: Encodable {
            let identity: KernelIdentity
            let toolchain: Toolchain
            let manifest: PCHManifest
            let isFoundByName: Bool
        }
        let parts = Parts(
            identity: identity, toolchain: toolchain, manifest: manifest, isFoundByName: isFoundByName)
        return SHA256Hash.digest(of: Array(try encoder.encode(parts)))
    }

    /// For the cache's list.
    var stamp: CacheStamp {
        CacheStamp(
            identity: identity, digest: manifest.digest, origin: .server, place: place, rank: nil,
            files: 1 + manifest.stubs.count + manifest.blocked.count, bytes: manifest.bytes, added: added)
    }
}
