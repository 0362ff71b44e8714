import FoundationEssentials
import HTTPTypes
public import HeaderStore
import KernelHeaders
public import Logging

/// Who may ask this server for what: tokens (RFC 6750), held against the routes' ``Audience``.
///
/// A server that only its own host can reach is open to everyone as long as there is no token. From the first token on
/// they are demanded of all: what looks like loopback may be a proxy with the world in front of it. To revoke all of them
/// does not open the server again; to remove their file does.
///
/// A browser has no way to send a bearer token, but asks its user for a password (RFC 7617): that is the token, whatever
/// the name beside it. Browsers go on to send it with every request, those included that another site makes them send. So
/// it counts for GET and HEAD only, which change nothing here.
public struct AccessControl: Sendable {
    private let tokens: TokenRegistry?
    private let isLocal: Bool
    private let anonymousReads: Bool

    /// Everyone may do everything.
    public static let open = AccessControl(tokens: nil, isLocal: true, anonymousReads: true)

    private init(tokens: TokenRegistry?, isLocal: Bool, anonymousReads: Bool) {
        self.tokens = tokens
        self.isLocal = isLocal
        self.anonymousReads = anonymousReads
    }

    /// - Parameters:
    ///   - address: where the server is going to listen.
    ///   - anonymousReads: whether everyone may read without a token.
    ///   - state: the store's folder, for the message.
    /// - Throws: ``SettingsError`` if others could reach the server and nobody said who may; ``ListenError`` for a name that
    ///   has no address; `TokenFileError`.
    public init(
        tokens: TokenRegistry, address: ListenAddress, anonymousReads: Bool, state: String, logger: Logger
    ) throws {
        self.init(tokens: tokens, isLocal: try address.isLocal(), anonymousReads: anonymousReads)
        if try !tokens.isEmpty {
            if try !tokens.hasActive { logger.warning("all tokens are expired or revoked") }
        } else if !isLocal {
            guard anonymousReads else {
                throw SettingsError(
                    description: """
                        Other hosts can reach \(address), and there is no token yet. Make one, with \
                        'kheaderd token create --state \(state) --role operator --label NAME', or let everyone read, with \
                        --anonymous-reads.
                        """)
            }
            logger.warning("there is no token, so nobody can upload: kheaderd token create makes them")
        }
    }

    /// Looks at a request before anything else is done with it.
    ///
    /// - Parameters:
    ///   - route: as the router has it, `/v1/kernels/{buildID}`; nil for what is none. What there is and is not is told to
    ///     those only who have a token.
    ///   - source: the query's, which says on whose word headers come.
    ///   - authorization: the field `Authorization`.
    /// - Returns: the token that it came with; nil where none is needed.
    /// - Throws: ``Refusal`` with `token-missing`, `token-unknown`, `token-expired`, `role-insufficient`; `store-damaged` if
    ///   the tokens can't be read.
    func admit(
        _ method: HTTPRequest.Method, route: String?, source: String?, authorization: String?
    ) throws -> TokenRecord? {
        let audience = try route.map { route in
            guard let audience = Audience.of(method, route) else {
                throw Self.insufficient(
                    "Nobody said whom \(method.rawValue) \(route) is for: a mistake in this server.")
            }
            return audience
        }
        guard let tokens, audience != .everyone, !(anonymousReads && audience == .readers) else { return nil }
        let token: TokenRecord
        do {
            if isLocal, try tokens.isEmpty { return nil }
            token = try identify(authorization, method, tokens)
        } catch let error as TokenFileError {
            throw AccessError(reason: error)
        }
        guard audience?.includes(token.role) ?? true else {
            let roles = TokenRole.allCases.filter { audience?.includes($0) ?? false }.map { "'\($0.rawValue)'" }
            throw Self.insufficient(
                "A token of role '\(token.role.rawValue)' is not for this: it takes \(roles.joined(separator: " or "))."
            )
        }
        if token.role == .agent, "\(method.rawValue) \(route ?? "")" == Audience.headersUpload,
            source != HeaderSource.agent.rawValue
        {
            throw Self.insufficient(
                "An agent's uploads say so: add source=agent to the query. Others take an operator's token.")
        }
        return token
    }

    private func identify(
        _ authorization: String?, _ method: HTTPRequest.Method, _ tokens: TokenRegistry
    ) throws -> TokenRecord {
        let isSafe = method == .get || method == .head
        guard let secret = Self.bearer(authorization) ?? (isSafe ? Self.password(authorization) : nil) else {
            throw Self.refusal(
                .tokenMissing,
                "This server wants a token (Authorization: Bearer …; from a browser, the password). Its operator has them; kheader and kheader-agent take one by --token-file.",
                error: nil)
        }
        switch try tokens.find(secret) {
        case .active(let token): return token
        case .expired:
            throw Self.refusal(
                .tokenExpired, "This token has expired. Ask the server's operator for another.", error: "invalid_token")
        case .unknown:
            throw Self.refusal(
                .tokenUnknown, "This server does not know this token, or it was revoked.", error: "invalid_token")
        }
    }

    /// The ID of the token that a request came with, whether it is one that counts, or ever did: nothing else of what was
    /// refused may be in a log. Nil for what looks like none: it may be a password that people use, and its hash a help to
    /// guess it.
    static func tokenID(authorization: String?) -> String? {
        (bearer(authorization) ?? password(authorization)).flatMap { TokenRecord.id(ofSecret: $0) }
    }

    private static func bearer(_ authorization: String?) -> String? { credentials("bearer", in: authorization) }

    /// What stands behind the first colon of `Basic`'s credentials (RFC 7617).
    private static func password(_ authorization: String?) -> String? {
        guard let bytes = credentials("basic", in: authorization).flatMap({ Data(base64Encoded: $0) }),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        return String(decoding: bytes[(colon + 1)...], as: UTF8.self)
    }

    /// What stands behind a scheme, a word in any case (RFC 9110, 11.1); nil for another scheme.
    private static func credentials(_ scheme: String, in authorization: String?) -> String? {
        guard let words = authorization?.split(separator: " ", maxSplits: 1), words.count == 2,
            words[0].lowercased() == scheme
        else { return nil }
        return String(words[1].drop { $0 == " " })
    }

    /// What makes a browser ask its user for a token.
    static let browserChallenge = #"Basic realm="kheaderd", charset="UTF-8""#

    private static func insufficient(_ sentence: String) -> Refusal {
        refusal(.roleInsufficient, sentence, error: "insufficient_scope")
    }

    private static func refusal(_ code: ProblemCode, _ sentence: String, error: String?) -> Refusal {
        let challenge = #"Bearer realm="kheaderd""# + (error.map { #", error="\#($0)""# } ?? "")
        return Refusal(problem: Problem(code, sentence), fields: [.wwwAuthenticate: challenge])
    }
}

/// The tokens can't be read. Why is for the log: it names a file.
struct AccessError: Error {
    let reason: TokenFileError
}
