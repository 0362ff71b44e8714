public import KernelHeaders

/// What the server keeps of a token: everything but the secret.
///
/// Of that it keeps the SHA-256. A slow, salted hash is for passwords, which people think of and others can guess; a
/// secret here is 256 random bits.
public struct TokenRecord: Codable, Sendable, Equatable {
    /// What it is called by: the first ``idLength`` digits of ``digest``. Who has a secret can tell so which token it is.
    public let id: String
    public let role: TokenRole
    /// Whose it is, in the operator's words.
    public let label: String
    /// Seconds since 1970, as all times here.
    public let created: Int
    /// From when on it does not count any more; nil for never.
    public let expires: Int?
    /// When it was revoked. Such a token stays in the list, so that a server whose tokens are all revoked is no server
    /// without tokens.
    public var revoked: Int?
    /// The SHA-256 of the secret, of its text.
    public let digest: Digest

    static let idLength = 12

    /// The ID of the token that a secret is, or would be; nil for what has not the form of one.
    public static func id(ofSecret secret: String) -> String? {
        TokenFile.isSecret(secret) ? id(of: TokenFile.digest(of: secret)) : nil
    }

    static func id(of digest: Digest) -> String { String("\(digest)".prefix(idLength)) }

    /// Whether a token counts.
    public enum State: String, Codable, Sendable, CaseIterable {
        case active, expired, revoked
    }

    public func state(at now: Int) -> State {
        if revoked != nil { return .revoked }
        return expires.map { now >= $0 } ?? false ? .expired : .active
    }
}
