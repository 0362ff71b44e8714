public import KernelHeaders
internal import Synchronization

/// Leave to upload, from ``HeaderStore/beginUpload(of:kernel:claim:)``. While its bytes arrive nobody takes the claim over.
///
/// Handed to ``HeaderStore/ingest(_:digest:identity:source:origin:permit:)`` or
/// ``HeaderStore/ingestBTF(_:digest:buildID:permit:)``, which say how the upload ended. Whoever lets go of one that came to
/// no such end has broken off.
///
/// Without a claim, as a person uploads, all of it does nothing, but that what is turned down is logged.
public final class UploadPermit: Sendable {
    /// How an upload ended.
    public enum Outcome: Sendable {
        /// It is in the store, with this digest of its bytes.
        case stored(Digest)
        /// The store turned it down, or would.
        case refused(Problem)
        /// It did not arrive whole, and will not.
        case brokenOff
    }

    /// The host that has the claim; nil without one.
    let host: HostID?
    private let checkIns: CheckIns
    private let key: UploadClaims.Key
    private let token: String
    private let upload: Int
    private let hasEnded = Mutex(false)

    init(
        checkIns: CheckIns, key: UploadClaims.Key, token: String = "", upload: Int = 0, host: HostID? = nil
    ) {
        self.checkIns = checkIns
        self.key = key
        self.token = token
        self.upload = upload
        self.host = host
    }

    deinit { ended(.brokenOff) }

    /// Renews the claim; to be called for each piece.
    public func bytesArrived() {
        guard host != nil else { return }
        checkIns.withClaims { claims, now in _ = claims.renew(key, token: token, now: now) }
    }

    /// Whether the claim still is the one that counts: for an upload that is resumed after a pause, in which another host
    /// may have taken over.
    ///
    /// - Throws: `Problem` with `claim-stale`.
    public func requireClaim() throws {
        guard host != nil else { return }
        guard checkIns.withClaims({ claims, now in claims.resume(key, token: token, now: now) }) else {
            throw Self.stale
        }
    }

    /// Frees the claim. Only the first call counts.
    public func ended(_ outcome: Outcome) {
        switch outcome {
        case .stored: end(.stored)
        case .refused(let problem): ended(problem, digest: nil, identity: nil)
        case .brokenOff: end(.brokenOff)
        }
    }

    /// Frees the claim; if the problem lies in what was uploaded, it is remembered.
    ///
    /// - Parameters:
    ///   - digest: of what arrived, if all of it did.
    ///   - identity: what the upload said of the kernel.
    func ended(_ problem: Problem, digest: Digest?, identity: KernelIdentity?) {
        switch problem.code {
        case .releaseMismatch, .architectureMismatch: end(.refused(problem, digest, identity))
        case .treeConflict, .btfMalformed, .btfConflict, .uploadTooLarge: end(.refused(problem, digest, nil))
        // Of a busy server another attempt may be in time.
        case .archiveTimeLimit: end(.brokenOff)
        case let code where code.rawValue.hasPrefix("archive-"): end(.refused(problem, digest, nil))
        default: end(.brokenOff)
        }
    }

    private func end(_ end: UploadClaims.End) {
        let isFirst = hasEnded.withLock { hasEnded in
            defer { hasEnded = true }
            return !hasEnded
        }
        guard isFirst else { return }
        if case .refused(let problem, _, _) = end { checkIns.log(problem, of: key, by: host) }
        guard let host else { return }
        checkIns.withClaims { claims, now in
            claims.end(key, token: token, upload: upload, host: host, end, now: now)
        }
    }

    static let stale = Problem(
        .claimStale,
        "This claim expired, and another host has it or the server has enough of them; or it was never given. Report to the server again, and it says what to do."
    )
}
