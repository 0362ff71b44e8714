internal import FoundationEssentials
internal import HeaderArchive
internal import KernelHeaders
internal import PrecompiledHeaders

/// What the cache remembers of this host's bcc, in the file `bcc`, so that a library of some MB need not be read and
/// understood at each start of a tool.
///
/// It counts in the boot in which it was written, as nothing in the cache is synced, and for as long as the libraries are the
/// very files that it was read out of. The file is a line of JSON, and behind it the texts of bcc's own headers in the order
/// of their paths.
struct BCCRecord: Codable, Sendable, Equatable {
    /// The form of the record, and what `BCCLibrary` makes of one library; one of another version is as good as none.
    static let currentVersion = 1
    static let name = "bcc"

    private var version = Self.currentVersion
    private let bootID: String
    private let library: FileIdentity
    private let compiler: FileIdentity
    let bccVersion: String
    let compilerLibrary: String
    let package: String
    let profileID: Digest
    /// In the file without its headers, of which there are only the lengths.
    private(set) var profile: CompilerProfile
    private let lengths: [String: Int]

    /// - Parameters:
    ///   - identity: of the library's file, from before it was read.
    ///   - package: the version of the compiler's.
    /// - Returns: nil if the compiler's library is not found.
    init?(_ library: BCCLibrary, _ identity: FileIdentity, package: String, profileID: Digest, bootID: String) {
        guard let compiler = library.compilerFile.flatMap({ FileIdentity($0) }) else { return nil }
        self.bootID = bootID
        self.library = identity
        self.compiler = compiler
        bccVersion = library.version
        compilerLibrary = library.compilerLibrary
        self.package = package
        self.profileID = profileID
        profile = library.profile
        lengths = profile.headers.mapValues(\.utf8.count)
    }

    /// - Returns: nil if the bytes are no record of this version and boot.
    init?(_ bytes: [UInt8], bootID: String) {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            var record = try? JSONDecoder().decode(Self.self, from: Data(bytes[..<end])),
            record.version == Self.currentVersion, record.bootID == bootID, !bootID.isEmpty
        else { return nil }
        var rest = bytes[(end + 1)...]
        var headers: [String: String] = [:]
        for (path, length) in record.lengths.sorted(by: { $0.key < $1.key }) {
            guard (0...rest.count).contains(length), let text = String(validating: rest.prefix(length), as: UTF8.self)
            else { return nil }
            headers[path] = text
            rest = rest.dropFirst(length)
        }
        guard rest.isEmpty else { return nil }
        record.profile = record.profile.with(headers)
        self = record
    }

    /// The file's bytes.
    func encoded() throws -> [UInt8] {
        var head = self
        head.profile = profile.with([:])
        return Array(try JSONEncoder().encode(head)) + [UInt8(ascii: "\n")]
            + profile.headers.sorted { $0.key < $1.key }.flatMap { Array($0.value.utf8) }
    }

    /// Whether a library is what was read, and compiles with what it did then.
    ///
    /// - Parameter root: where the host's `/` is.
    func isOf(_ library: FileIdentity, root: String) -> Bool {
        self.library == library
            && BCCLibrary.compilerFile(compilerLibrary, root: root).flatMap { FileIdentity($0) } == compiler
    }
}

extension CompilerProfile {
    fileprivate func with(_ headers: [String: String]) -> CompilerProfile {
        CompilerProfile(
            name: name, flags: flags, headers: headers, prologue: prologue, isFoundByName: isFoundByName)
    }
}

extension HeaderCache {
    /// What is remembered of bcc; nil if nothing that counts.
    func bccRecord() -> BCCRecord? {
        SmallFile.bytes("\(folder.path)/\(BCCRecord.name)").flatMap { BCCRecord($0, bootID: bootID) }
    }

    /// In a cache that can't be written nothing is remembered.
    func remember(_ record: BCCRecord) { try? write(record.encoded(), to: BCCRecord.name, of: folder.path) }
}
