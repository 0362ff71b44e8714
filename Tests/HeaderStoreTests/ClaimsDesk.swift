import KernelHeaders

@testable import HeaderStore

/// Claims with a clock and tokens, as a reference: `#expect` can't call what changes a value.
final class ClaimsDesk {
    private(set) var claims: UploadClaims
    var now = 1000
    private var tokens = 0

    init(rules: UploadClaims.Rules = UploadClaims.Rules()) { claims = UploadClaims(rules: rules) }

    var rules: UploadClaims.Rules { claims.rules }
    var remembered: Int { claims.remembered }
    func refusal(of key: UploadClaims.Key, now: Int) -> String? { claims.refusal(of: key, now: now) }

    /// The tokens it gives are `token 1`, `token 2` and so on.
    func answer(
        _ question: UploadClaims.Question, hasRoom: Bool = true
    ) -> (verdict: ArtefactVerdict, opinion: Opinion?) {
        claims.answer(question, now: now) {
            tokens += 1
            return "token \(tokens)"
        } hasRoom: { _ in
            hasRoom
        }
    }

    func withdraw(_ host: HostID, _ key: UploadClaims.Key) { claims.withdraw(host, key) }

    func begin(_ key: UploadClaims.Key, token: String, now: Int) -> (upload: Int, host: HostID)? {
        claims.begin(key, token: token, now: now)
    }

    /// Whether a token counts, which changes nothing.
    func counts(_ key: UploadClaims.Key, token: String) -> Bool {
        var copy = claims
        return copy.begin(key, token: token, now: now) != nil
    }

    func renew(_ key: UploadClaims.Key, token: String, now: Int) -> Bool { claims.renew(key, token: token, now: now) }

    func resume(_ key: UploadClaims.Key, token: String, now: Int) -> Bool { claims.resume(key, token: token, now: now) }

    func end(_ key: UploadClaims.Key, token: String, upload: Int, host: HostID, _ end: UploadClaims.End, now: Int) {
        claims.end(key, token: token, upload: upload, host: host, end, now: now)
    }

    func liveClaims(now: Int) -> Int { claims.liveClaims(now: now) }
}
