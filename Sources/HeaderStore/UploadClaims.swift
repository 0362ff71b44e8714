internal import KernelHeaders

/// Who is to upload what, and whose digest is asked for: the rules by which a fleet that boots one kernel at once uploads
/// it once.
///
/// A value without clock, locks and random numbers of its own: the time (seconds of a clock that is never set back) and new
/// tokens are given in. Nothing of it is durable: after a restart hosts ask again, and what they hold is stale. What it
/// remembers is bounded, whatever hosts send.
///
/// A claim is *live* until it expires without a byte having arrived, and *free* after that, or when its host gave it up.
/// Whoever asks first then takes it over; until somebody does, its own host may still go on with it, if there is room for one
/// more that is live.
struct UploadClaims: Sendable {
    struct Rules: Sendable, Equatable {
        /// How long a claim is good without a byte arriving, in seconds; a question for a digest, too.
        var claimSeconds = 120
        /// The other hosts whose digests make one host's word an agreed one.
        var opinions = 2
        /// Live claims of all hosts, and of one host. One that runs one kernel needs two.
        var maximumClaims = 128
        var maximumClaimsOfHost = 4
        /// How long an archive that was turned down is not asked for again, and how many such are remembered.
        var refusalSeconds = 3600
        var maximumRefusals = 4096
    }

    /// What a claim is for.
    struct Key: Hashable, Sendable {
        var kernel: BuildID
        var artefact: Artefact
    }

    /// A host's offer, and what it is held against.
    struct Question: Sendable {
        var host: HostID
        var identity: KernelIdentity
        var offer: ArtefactOffer
        /// Bytes that an upload may have.
        var limit: Int
        /// Nil if the store has none.
        var held: HeldArtefact?

        var key: Key { Key(kernel: identity.buildID, artefact: offer.artefact) }
    }

    /// How an upload under a claim ended.
    enum End: Sendable, Equatable {
        case stored
        /// What arrived was turned down. The digest is nil if not all of it arrived, the identity if the reason lies in the
        /// bytes alone.
        case refused(Problem, Digest?, KernelIdentity?)
        case brokenOff
    }

    private struct Claim {
        var host: HostID
        /// Nil once the claim is given up.
        var token: String?
        var expiry: Int
        var reason: ArtefactVerdict.Reason
        /// What its host offered.
        var digest: Digest?
        /// Uploads begun under it; the last one counts.
        var uploads = 0
        /// Hosts that were told to wait for it.
        var waiting = 0

        func isLive(_ now: Int) -> Bool { token != nil && now < expiry }

        var givenUp: Self {
            var claim = self
            claim.token = nil
            return claim
        }
    }

    /// An archive that was turned down; with what the upload said of the kernel if it was for that: to be refused for a wrong
    /// release says nothing about the same archive under the right one.
    private struct RefusedArchive: Hashable {
        var key: Key
        var digest: Digest
        var release: String?
        var architecture: Architecture?
    }

    private struct RefusedHost: Hashable {
        var key: Key
        var host: HostID
    }

    /// Of offers that can't be judged by size, what has to be free on the disk.
    private static let assumedBytes = 16 << 20
    /// Of why something was turned down, what is remembered: there may be paths of the archive in it.
    static let reasonLength = 500

    let rules: Rules
    private var claims: [Key: Claim] = [:]
    /// Hosts whose digest was asked for, and until when it is expected.
    private var asked: [Key: [HostID: Int]] = [:]
    /// With why, in at most ``reasonLength`` characters.
    private var refusedArchives: ExpiringTable<RefusedArchive, String>
    private var refusedHosts: ExpiringTable<RefusedHost, String>
    /// What was turned down last of a kernel.
    private var refusals: ExpiringTable<Key, String>

    init(rules: Rules) {
        self.rules = rules
        refusedArchives = ExpiringTable(capacity: rules.maximumRefusals)
        refusedHosts = ExpiringTable(capacity: rules.maximumRefusals)
        refusals = ExpiringTable(capacity: rules.maximumRefusals)
    }

    /// Claims that somebody holds.
    func liveClaims(now: Int) -> Int { claims.values.count { $0.isLive(now) } }

    /// Everything that is remembered, for tests of its bounds.
    var remembered: Int {
        claims.count + asked.values.reduce(0) { $0 + $1.count } + refusedArchives.count + refusedHosts.count
            + refusals.count
    }

    // MARK: Answers

    /// Answers a host's offer.
    ///
    /// - Parameters:
    ///   - token: makes a new token, one that can't be guessed.
    ///   - hasRoom: whether the disk has room for so many bytes; is asked only when a claim is to be granted.
    /// - Returns: the verdict; and what the offer says of what is held, if that is to be put on record.
    mutating func answer(
        _ question: Question, now: Int, token: () -> String, hasRoom: (_ bytes: Int) -> Bool
    ) -> (verdict: ArtefactVerdict, opinion: Opinion?) {
        if let held = question.held {
            // Whoever is still at it is told by the claim's absence.
            claims[question.key] = nil
            refusals.remove(question.key)
            return compare(question, with: held, now)
        }
        asked[question.key] = nil
        return (claim(question, now, token, hasRoom), nil)
    }

    /// Whether an offer is answered the same, with nothing to remember of it, as long as the store holds the same and its host
    /// says the same: neither time nor what other hosts do makes it another answer.
    func isLasting(_ verdict: ArtefactVerdict, to question: Question) -> Bool {
        guard verdict.answer == .have, let held = question.held else { return false }
        return switch verdict.reason {
        case .agreed, .outranked, .notComparable: true
        // Not if others were asked for their digest and have not said it yet.
        case .known: !mayBeAsked(question, held) || held.opinions.count >= rules.opinions
        default: false
        }
    }

    /// A host that reports without an offer can't give it: what it held is free for others.
    mutating func withdraw(_ host: HostID, _ key: Key) {
        if let claim = claims[key], claim.host == host { claims[key] = claim.givenUp }
        asked[key]?[host] = nil
    }

    private mutating func compare(
        _ question: Question, with held: HeldArtefact, _ now: Int
    ) -> (verdict: ArtefactVerdict, opinion: Opinion?) {
        let offer = question.offer
        func have(_ reason: ArtefactVerdict.Reason, _ detail: String) -> ArtefactVerdict {
            ArtefactVerdict(offer.artefact, .have, reason, detail)
        }
        let isKernelsOwn = offer.artefact == .btf || offer.origin?.isKernelsOwn == true
        switch held.standing {
        case .operators:
            return (have(.outranked, "The server has it from its operator."), nil)
        case .packed:
            return (have(.notComparable, "The server has it, packed from a host's folder: digests say nothing."), nil)
        case .kernelsOwn where !isKernelsOwn:
            return (have(.notComparable, "The server has the kernel's own archive; this one is packed."), nil)
        case .kernelsOwn: break
        }
        guard let digest = offer.digest else {
            guard mayBeAsked(question, held), ask(question, held, now) else {
                return (have(.known, "The server has it."), nil)
            }
            var verdict = have(
                .secondOpinion, "The server has it from one host, and would like to know if yours is the same.")
            verdict.wantsDigest = true
            return (verdict, nil)
        }
        asked[question.key]?[question.host] = nil
        guard digest == held.digest else {
            let verdict = ArtefactVerdict(
                offer.artefact, .conflict, .digestDiffers,
                "The server has \(held.digest) of this kernel, and yours is \(digest). Nothing was replaced."
            )
            return (verdict, .differs)
        }
        let isNew =
            offer.artefact == .headers && question.host != held.uploader && !held.agreeing.contains(question.host)
            && held.agreeing.count < rules.opinions
        return (have(.agreed, "The server has the same."), isNew ? .agrees : nil)
    }

    /// Whether a host's digest would say anything new.
    private func mayBeAsked(_ question: Question, _ held: HeldArtefact) -> Bool {
        question.offer.artefact == .headers && question.host != held.uploader && !held.opinions.contains(question.host)
    }

    /// Whether this host's digest is asked for.
    private mutating func ask(_ question: Question, _ held: HeldArtefact, _ now: Int) -> Bool {
        var hosts = (asked[question.key] ?? [:]).filter { now < $0.value }
        defer { asked[question.key] = hosts.isEmpty ? nil : hosts }
        if hosts[question.host] != nil { return true }
        guard held.opinions.count + hosts.count < rules.opinions else { return false }
        hosts[question.host] = now + rules.claimSeconds
        return true
    }

    private mutating func claim(
        _ question: Question, _ now: Int, _ token: () -> String, _ hasRoom: (Int) -> Bool
    ) -> ArtefactVerdict {
        let (offer, key) = (question.offer, question.key)
        func verdict(
            _ answer: ArtefactVerdict.Answer, _ reason: ArtefactVerdict.Reason, _ detail: String, claim: String? = nil,
            seconds: Int? = nil
        ) -> ArtefactVerdict {
            ArtefactVerdict(offer.artefact, answer, reason, detail, claim: claim, seconds: seconds)
        }
        if let bytes = offer.bytes, bytes > question.limit {
            withdraw(question.host, key)
            return verdict(.refused, .tooLarge, "It is over this server's limit of \(question.limit) bytes.")
        }
        if let reason = refusal(of: question, now) {
            withdraw(question.host, key)
            return verdict(.refused, .archiveRefused, "It was uploaded, and turned down: \(reason)")
        }
        if var claim = claims[key], let token = claim.token {
            if claim.host == question.host, claim.isLive(now) || makeRoom(for: key, question.host, now) {
                claim.expiry = now + rules.claimSeconds
                claim.digest = offer.digest
                claims[key] = claim
                return verdict(
                    .upload, claim.reason, "It is yours to upload.", claim: token, seconds: rules.claimSeconds)
            }
            if claim.isLive(now) {
                claim.waiting += 1
                claims[key] = claim
                // The first ones ask again soon, as somebody has to take over; of a whole fleet not all at once.
                let seconds = min(5 + claim.waiting / 100, 60)
                return verdict(.wait, .beingUploaded, "Another host is uploading it.", seconds: seconds)
            }
        }
        guard makeRoom(for: key, question.host, now) else {
            return verdict(.wait, .busy, "The server has as many uploads under way as it takes.", seconds: 30)
        }
        guard hasRoom(offer.bytes ?? Self.assumedBytes) else {
            return verdict(.refused, .diskFull, "The server's disk has no room for it. Tell its operator.")
        }
        let reason: ArtefactVerdict.Reason = claims[key] == nil ? .first : .takenOver
        let new = token()
        claims[key] = Claim(
            host: question.host, token: new, expiry: now + rules.claimSeconds, reason: reason, digest: offer.digest)
        return verdict(.upload, reason, "It is yours to upload.", claim: new, seconds: rules.claimSeconds)
    }

    private func refusal(of question: Question, _ now: Int) -> String? {
        let key = question.key
        if let reason = refusedHosts.value(RefusedHost(key: key, host: question.host), now: now) { return reason }
        guard let digest = question.offer.digest else { return nil }
        var archive = RefusedArchive(key: key, digest: digest)
        if let reason = refusedArchives.value(archive, now: now) { return reason }
        archive.release = question.identity.release
        archive.architecture = question.identity.architecture
        return refusedArchives.value(archive, now: now)
    }

    /// Why what hosts uploaded of a kernel was turned down last; nil if nothing was lately, or hosts saw since that it is there.
    func refusal(of key: Key, now: Int) -> String? { refusals.value(key, now: now) }

    /// Forgets claims that nobody holds if there are many.
    ///
    /// - Returns: whether one more may be granted.
    private mutating func makeRoom(for key: Key, _ host: HostID, _ now: Int) -> Bool {
        if claims.count >= 2 * rules.maximumClaims {
            claims = claims.filter { $0.key == key || $0.value.isLive(now) }
        }
        var live = 0
        var own = 0
        for claim in claims.values where claim.isLive(now) {
            live += 1
            if claim.host == host { own += 1 }
        }
        return live < rules.maximumClaims && own < rules.maximumClaimsOfHost
    }

    // MARK: Uploads

    /// Begins an upload under a claim.
    ///
    /// - Returns: its number and the claim's host; nil if the claim is not, or no longer, the one that counts.
    mutating func begin(_ key: Key, token: String, now: Int) -> (upload: Int, host: HostID)? {
        guard resume(key, token: token, now: now), var claim = claims[key] else { return nil }
        claim.uploads += 1
        claims[key] = claim
        return (claim.uploads, claim.host)
    }

    /// Goes on with an upload after a pause.
    ///
    /// - Returns: false if the claim is not, or no longer, the one that counts; or if it expired, and there is no room for it.
    mutating func resume(_ key: Key, token: String, now: Int) -> Bool {
        guard let claim = claims[key], claim.token == token,
            claim.isLive(now) || makeRoom(for: key, claim.host, now)
        else { return false }
        return renew(key, token: token, now: now)
    }

    /// Notes that bytes arrived. They come without a pause in which a claim could expire.
    ///
    /// - Returns: false if another host has taken over.
    @discardableResult
    mutating func renew(_ key: Key, token: String, now: Int) -> Bool {
        guard claims[key]?.token == token else { return false }
        claims[key]?.expiry = now + rules.claimSeconds
        return true
    }

    /// Notes that the upload of this number ended.
    mutating func end(_ key: Key, token: String, upload: Int, host: HostID, _ end: End, now: Int) {
        let claim = claims[key].flatMap { $0.token == token ? $0 : nil }
        if case .refused(let problem, let digest, let identity) = end {
            let expiry = now + rules.refusalSeconds
            let reason = "\(problem.detail.prefix(Self.reasonLength)) (\(problem.code.rawValue))"
            refusals.insert(reason, for: key, until: expiry)
            if let digest {
                let archive = RefusedArchive(
                    key: key, digest: digest, release: identity?.release, architecture: identity?.architecture)
                refusedArchives.insert(reason, for: archive, until: expiry)
            }
            // Another one than it said, or it never said: the next one would be refused as well.
            if digest == nil || claim?.digest != digest {
                refusedHosts.insert(reason, for: RefusedHost(key: key, host: host), until: expiry)
            }
        }
        guard let claim else { return }
        switch end {
        case .stored: claims[key] = nil
        case .refused: claims[key] = claim.givenUp
        // An earlier attempt, which breaks off when the host has begun again, ends nothing.
        case .brokenOff: if claim.uploads == upload { claims[key] = claim.givenUp }
        }
    }
}
