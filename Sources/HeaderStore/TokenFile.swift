internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// The tokens of a server: a file in the store's folder that can be changed while the server runs.
///
/// `tokens.json` has mode 0600, and is replaced as a whole (written beside, synced, renamed, the folder synced); whoever
/// changes it holds an `flock` on the folder itself, which needs no file of its own and is another than the store's lock.
///
/// ```
/// { "version": 1, "tokens": [
///     { "id": "9f86d081884c", "role": "agent", "label": "rack 7", "created": 1795305600, "expires": 1803081600,
///       "revoked": 1795392000, "digest": "9f86d081884c7d65…" } ] }
/// ```
public struct TokenFile: Sendable {
    static let version = 1
    static let name = "tokens.json"
    /// Hexadecimal digits of the randomness in a secret: 256 bits.
    static let secretDigits = 64
    /// Bytes that a label may have.
    public static let maximumLabelLength = 200

    private let folder: String
    private let files: any FileSystem
    /// The file's path, for messages.
    public var path: String { "\(folder)/\(Self.name)" }
    /// Has this name until it is whole. One is enough: there is one writer at a time. A killed one's is written anew.
    private var staged: String { "\(path).new" }

    /// - Parameter state: the store's folder.
    public init(state: String, files: any FileSystem = PosixFileSystem()) {
        folder = state
        self.files = files
    }

    private struct Document: Codable {
        var version: Int
        var tokens: [TokenRecord]
    }

    /// How one version of the file differs from another, without a look inside. Each is a file of its own.
    struct Identity: Equatable, Sendable {
        let device: UInt64
        let inode: UInt64
        let size: Int
        let changed: [Int]

        init(of descriptor: CInt, _ path: String) throws {
            var status = stat()
            try SystemCallError.check("fstat", path) { fstat(descriptor, &status) }
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int(status.st_size)
            changed = [status.st_mtim, status.st_ctim].flatMap { [$0.tv_sec, $0.tv_nsec] }
        }
    }

    // MARK: Reading

    /// All tokens, in the order in which they were made; none if there is no file.
    ///
    /// - Throws: ``TokenFileError``.
    public func read() throws -> [TokenRecord] { try load()?.tokens ?? [] }

    /// - Returns: nil if there is no file.
    func load() throws -> (tokens: [TokenRecord], identity: Identity)? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0, errno == ENOENT { return nil }
        do {
            let descriptor = try SystemCallError.check("open", path) { descriptor }
            defer { close(descriptor) }
            let identity = try Identity(of: descriptor, path)
            let bytes = try FileSource(borrowing: descriptor).readAll()
            let document = try JSONDecoder().decode(Document.self, from: Data(bytes))
            guard document.version == Self.version else {
                throw TokenFileError(
                    path, "it is of version \(document.version), and this kheaderd knows \(Self.version)")
            }
            return (document.tokens, identity)
        } catch let error as SystemCallError {
            throw TokenFileError(path, "\(error)")
        } catch is DecodingError {
            throw TokenFileError(path, "it is damaged")
        }
    }

    /// - Returns: nil if there is no file, or it can't be looked at; ``load()`` says why.
    func identity() -> Identity? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return try? Identity(of: descriptor, path)
    }

    // MARK: Changing

    /// Makes a token, which is durable when this returns.
    ///
    /// - Parameters:
    ///   - expires: seconds since 1970.
    /// - Returns: the secret, which nobody can get a second time, and the token. The secret begins with `khd_` and the
    ///   role, so that programs that look for secrets in places where they must not be can find it:
    ///   `khd_agent_` and 64 hexadecimal digits.
    /// - Throws: `Problem` with `parameter-malformed` for a label that is too long, empty or has control characters;
    ///   ``TokenFileError``, `SystemCallError`.
    public func create(
        role: TokenRole, label: String, expires: Int?, now: Int
    ) throws -> (secret: String, token: TokenRecord) {
        let isClean = label.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) }
        guard !label.isEmpty, label.utf8.count <= Self.maximumLabelLength, isClean else {
            throw Problem(
                .parameterMalformed,
                "A label says whose token it is, in 1 to \(Self.maximumLabelLength) bytes without control characters.")
        }
        // The kernel's: getrandom(2).
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<Self.secretDigits).map { _ in
            String(UInt8.random(in: 0..<16, using: &generator), radix: 16)
        }
        let secret = "khd_\(role.rawValue)_\(digits.joined())"
        let digest = Self.digest(of: secret)
        let token = TokenRecord(
            id: TokenRecord.id(of: digest), role: role, label: label, created: now,
            expires: expires, digest: digest)
        try change { $0.append(token) }
        return (secret, token)
    }

    /// Makes a token one that does not count any more.
    ///
    /// - Returns: the token; nil if there is none of this ID.
    /// - Throws: ``TokenFileError``, `SystemCallError`.
    public func revoke(_ id: String, now: Int) throws -> TokenRecord? {
        var revoked: TokenRecord?
        try change { tokens in
            for index in tokens.indices where tokens[index].id == id {
                tokens[index].revoked = tokens[index].revoked ?? now
                revoked = tokens[index]
            }
        }
        return revoked
    }

    /// Whether a text has the form of a secret of ours: `khd_client_…`, hexadecimal digits.
    static func isSecret(_ text: String) -> Bool {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "khd" && TokenRole(rawValue: String(parts[1])) != nil
            && parts[2].utf8.count == secretDigits && parts[2].allSatisfy(\.isHexDigit)
    }

    static func digest(of secret: String) -> Digest { SHA256Hash.digest(of: Array(secret.utf8)) }

    private func change(_ body: (inout [TokenRecord]) -> Void) throws {
        try files.makeDirectory(folder)
        let lock = try SystemCallError.check("open", folder) { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(lock) }
        try SystemCallError.check("flock", folder) { flock(lock, LOCK_EX) }
        let before = try read()
        var tokens = before
        body(&tokens)
        guard tokens != before else { return }
        try replace(with: tokens, owner: lock)
    }

    private func replace(with tokens: [TokenRecord], owner folder: CInt) throws {
        do {
            try stage(tokens, owner: folder)
            try files.rename(staged, to: path)
        } catch {
            try? files.remove(staged)
            throw error
        }
        try files.syncDirectory(self.folder)
    }

    private func stage(_ tokens: [TokenRecord], owner folder: CInt) throws {
        try files.remove(staged)
        let file = try files.create(staged)
        try SystemCallError.check("fchmod", staged) { fchmod(file.descriptor, 0o600) }
        if geteuid() == 0 {
            // Root may make tokens for a server that runs as another user, the folder's owner, who has to read them.
            var status = stat()
            try SystemCallError.check("fstat", self.folder) { fstat(folder, &status) }
            try SystemCallError.check("fchown", staged) { fchown(file.descriptor, status.st_uid, status.st_gid) }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try file.write(Array(try encoder.encode(Document(version: Self.version, tokens: tokens))) + [0x0A])
        try file.sync()
        try file.close()
    }
}

/// Why the tokens can't be told. Until they can, nobody is let in.
public struct TokenFileError: Error, CustomStringConvertible {
    public let description: String

    init(_ path: String, _ reason: String) {
        description =
            "The server's tokens can't be read from \(path): \(reason). Nobody is let in before that is put right: bring it "
            + "back from a backup, or remove it and make new tokens with kheaderd token create."
    }
}
