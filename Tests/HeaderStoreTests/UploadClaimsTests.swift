import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

/// Who is told to upload, to wait, to say a digest: each rule by itself. See `UploadClaimsPropertyTests` for all of them at
/// once.
@Suite struct UploadClaimsTests {
    private let claims = ClaimsDesk()
    private var now: Int {
        get { claims.now }
        nonmutating set { claims.now = newValue }
    }

    static func host(_ number: Int) -> HostID {
        guard let host = HostID(bytes: bytes(number) + bytes(0)) else { fatalError("no host ID") }
        return host
    }

    static func kernel(_ number: Int) -> BuildID {
        guard let id = BuildID(bytes: bytes(number)) else { fatalError("no build ID") }
        return id
    }

    private static func bytes(_ number: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    static func digest(_ number: UInt8) -> KernelHeaders.Digest { .init(of: [number]) }

    static func offer(_ digest: UInt8?, _ origin: HeaderOrigin = .sysfs, bytes: Int? = 100) -> ArtefactOffer {
        ArtefactOffer(.headers, origin: origin, bytes: bytes, digest: digest.map { Self.digest($0) })
    }

    private static let key = UploadClaims.Key(kernel: kernel(1), artefact: .headers)

    private func ask(
        _ host: Int, _ offer: ArtefactOffer = UploadClaimsTests.offer(1), kernel: Int = 1, release: String? = "6.1.0",
        held: HeldArtefact? = nil, hasRoom: Bool = true
    ) -> (verdict: ArtefactVerdict, opinion: Opinion?) {
        let question = UploadClaims.Question(
            host: Self.host(host), identity: KernelIdentity(buildID: Self.kernel(kernel), release: release),
            offer: offer, limit: 1000, held: held)
        return claims.answer(question, hasRoom: hasRoom)
    }

    private func reason(
        _ host: Int, _ offer: ArtefactOffer = UploadClaimsTests.offer(1), kernel: Int = 1, release: String? = "6.1.0",
        held: HeldArtefact? = nil, hasRoom: Bool = true
    ) -> ArtefactVerdict.Reason {
        ask(host, offer, kernel: kernel, release: release, held: held, hasRoom: hasRoom).verdict.reason
    }

    private static func held(
        _ digest: UInt8 = 1, _ standing: HeldArtefact.Standing = .kernelsOwn, uploader: Int? = 1,
        opinions: [Int] = [], agreeing: [Int] = []
    ) -> HeldArtefact {
        HeldArtefact(
            digest: Self.digest(digest), standing: standing, uploader: uploader.map { host($0) },
            opinions: Set(opinions.map { host($0) }), agreeing: Set(agreeing.map { host($0) }))
    }

    // MARK: One uploader

    @Test func theFirstUploadsAndOthersWait() {
        let first = ask(1).verdict
        #expect((first.answer, first.reason, first.claim, first.seconds) == (.upload, .first, "token 1", 120))
        let second = ask(2).verdict
        #expect((second.answer, second.reason, second.claim) == (.wait, .beingUploaded, nil))
        #expect(second.seconds == 5)
        // It asks again, with what it has: the same claim, renewed.
        now += 119
        #expect(ask(1).verdict.claim == "token 1")
        now += 119
        #expect(reason(2) == .beingUploaded)
        #expect(claims.liveClaims(now: now) == 1)
        // BTF and other kernels have claims of their own.
        #expect(reason(2, ArtefactOffer(.btf, bytes: 5)) == .first)
        #expect(reason(2, kernel: 2) == .first)
    }

    @Test func manyWhoWaitAskAgainLater() {
        _ = ask(1)
        let seconds = (2..<20_000).map { ask($0).verdict.seconds ?? 0 }
        #expect(seconds.first == 5)
        #expect(seconds[5000] == 55)
        #expect(seconds.last == 60)
        #expect(seconds == seconds.sorted())
        #expect(claims.remembered == 1)
    }

    @Test func anExpiredClaimIsTakenOverAndTheOldTokenIsStale() {
        _ = ask(1)
        now += 120
        #expect(claims.liveClaims(now: now) == 0)
        let second = ask(2).verdict
        #expect((second.answer, second.reason, second.claim) == (.upload, .takenOver, "token 2"))
        #expect(claims.begin(Self.key, token: "token 1", now: now) == nil)
        #expect(claims.begin(Self.key, token: "token 2", now: now)?.host == Self.host(2))
        #expect(reason(1) == .beingUploaded)
    }

    @Test func anExpiredClaimThatNobodyTookGoesOn() throws {
        _ = ask(1)
        now += 500
        _ = try #require(claims.begin(Self.key, token: "token 1", now: now))
        #expect(reason(2) == .beingUploaded)
        now += 500
        #expect(ask(1).verdict.claim == "token 1")
    }

    @Test func bytesThatArriveRenewTheClaim() throws {
        _ = ask(1)
        _ = try #require(claims.begin(Self.key, token: "token 1", now: now))
        for _ in 1...10 {
            now += 100
            #expect(claims.renew(Self.key, token: "token 1", now: now))
        }
        now += 119
        #expect(reason(2) == .beingUploaded)
        now += 1
        #expect(reason(2) == .takenOver)
        #expect(!claims.renew(Self.key, token: "token 1", now: now))
    }

    @Test func aHostThatCanNotGiveItFreesItsClaimAndNobodyElses() {
        _ = ask(1)
        claims.withdraw(Self.host(2), Self.key)
        #expect(reason(2) == .beingUploaded)
        claims.withdraw(Self.host(1), Self.key)
        #expect(claims.begin(Self.key, token: "token 1", now: now) == nil)
        #expect(reason(2) == .takenOver)
    }

    @Test func aTokenCountsForItsKernelAndArtefactOnly() {
        _ = ask(1)
        let others = [
            UploadClaims.Key(kernel: Self.kernel(1), artefact: .btf),
            UploadClaims.Key(kernel: Self.kernel(2), artefact: .headers),
        ]
        for key in others { #expect(claims.begin(key, token: "token 1", now: now) == nil) }
        #expect(claims.begin(Self.key, token: "", now: now) == nil)
    }

    // MARK: How uploads end

    private func upload(_ host: Int, offering digest: UInt8? = 1, _ end: UploadClaims.End) throws {
        let verdict = ask(host, Self.offer(digest)).verdict
        let token = try #require(verdict.claim, "\(verdict)")
        let begun = try #require(claims.begin(Self.key, token: token, now: now))
        claims.end(Self.key, token: token, upload: begun.upload, host: begun.host, end, now: now)
    }

    private static let problem = Problem(.releaseMismatch, "It is of 6.2.")

    private static func refused(_ digest: UInt8?, release: String? = "6.1.0") -> UploadClaims.End {
        .refused(problem, digest.map { Self.digest($0) }, KernelIdentity(buildID: kernel(1), release: release))
    }

    @Test func whatIsStoredHasNoClaim() throws {
        try upload(1, .stored)
        #expect(claims.remembered == 0)
    }

    @Test func anUploadThatBrokeOffIsAnothersToDo() throws {
        try upload(1, .brokenOff)
        #expect(reason(2) == .takenOver)
        try upload(2, .brokenOff)
        #expect(reason(1) == .takenOver)
    }

    /// The connection of the first attempt is found to be dead when the second one is under way.
    @Test func anEarlierAttemptThatBreaksOffEndsNothing() throws {
        _ = ask(1)
        let first = try #require(claims.begin(Self.key, token: "token 1", now: now))
        let second = try #require(claims.begin(Self.key, token: "token 1", now: now))
        claims.end(Self.key, token: "token 1", upload: first.upload, host: first.host, .brokenOff, now: now)
        #expect(reason(2) == .beingUploaded)
        claims.end(Self.key, token: "token 1", upload: second.upload, host: second.host, .brokenOff, now: now)
        #expect(reason(2) == .takenOver)
    }

    @Test func theEndOfAStaleUploadFreesNothing() throws {
        _ = ask(1)
        let begun = try #require(claims.begin(Self.key, token: "token 1", now: now))
        now += 120
        #expect(reason(2) == .takenOver)
        for end in [UploadClaims.End.brokenOff, .stored, Self.refused(9)] {
            claims.end(Self.key, token: "token 1", upload: begun.upload, host: begun.host, end, now: now)
            #expect(reason(3) == .beingUploaded)
        }
    }

    @Test func aRefusedArchiveIsNotAskedForAgainForAnHour() throws {
        try upload(1, Self.refused(1))
        for host in 1...3 {
            let verdict = ask(host).verdict
            #expect((verdict.answer, verdict.reason) == (.refused, .archiveRefused))
            #expect(verdict.detail == "It was uploaded, and turned down: It is of 6.2. (release-mismatch)")
            #expect(claims.refusal(of: Self.key, now: now) == "It is of 6.2. (release-mismatch)")
        }
        // Another archive, or the same under another release, may be good.
        #expect(reason(4, Self.offer(2)) == .takenOver)
        claims.withdraw(Self.host(4), Self.key)
        #expect(reason(4, release: "6.2.0") == .takenOver)
        claims.withdraw(Self.host(4), Self.key)
        now += 3599
        #expect(reason(1) == .archiveRefused)
        now += 1
        #expect(reason(1) == .takenOver)
        #expect(claims.refusal(of: Self.key, now: now) == nil)
    }

    /// A path of the archive may be in it.
    @Test func aLongReasonIsCut() throws {
        for length in [500, 501] {
            let text = String(repeating: "x", count: length)
            try upload(1, offering: UInt8(length - 499), .refused(Problem(.archiveCorrupt, text), Self.digest(9), nil))
            let detail = ask(1).verdict.detail
            #expect(detail.hasSuffix(": \(String(repeating: "x", count: 500)) (archive-corrupt)"))
            now += 3600
        }
    }

    @Test func anArchiveThatIsBadByItselfIsRefusedUnderAnyLabel() throws {
        try upload(1, .refused(Self.problem, Self.digest(1), nil))
        for release in ["6.1.0", "6.2.0", nil] { #expect(reason(2, release: release) == .archiveRefused) }
        #expect(reason(2, Self.offer(2)) == .takenOver)
    }

    @Test func withoutADigestTheHostIsRemembered() throws {
        try upload(1, offering: nil, Self.refused(1))
        #expect(reason(1, Self.offer(nil)) == .archiveRefused)
        #expect(reason(2, Self.offer(nil)) == .takenOver)
        #expect(reason(3, Self.offer(1)) == .archiveRefused)
    }

    /// It says the digest of a good archive and sends a bad one: that must not keep others from sending the good one.
    @Test func whoSendsAnotherThanItSaidHarmsItselfOnly() throws {
        try upload(1, offering: 1, Self.refused(7))
        #expect(reason(1, Self.offer(1)) == .archiveRefused)
        #expect(reason(2, Self.offer(7)) == .archiveRefused)
        #expect(reason(2, Self.offer(1)) == .takenOver)
    }

    @Test func anUploadRefusedBeforeItArrivedIsRememberedForItsHost() throws {
        try upload(1, Self.refused(nil))
        #expect(reason(1) == .archiveRefused)
        #expect(reason(2) == .takenOver)
    }

    // MARK: Refusals and bounds

    @Test func whatIsTooLargeIsRefused() {
        let large = ask(1, Self.offer(1, bytes: 1001)).verdict
        #expect((large.answer, large.reason) == (.refused, .tooLarge))
        #expect(reason(1, Self.offer(1, bytes: 1000)) == .first)
        #expect(reason(2, Self.offer(1, bytes: nil)) == .beingUploaded)
    }

    @Test func aFullDiskGrantsNoClaim() {
        let full = ask(1, hasRoom: false).verdict
        #expect((full.answer, full.reason) == (.refused, .diskFull))
        #expect(claims.remembered == 0)
        #expect(reason(1) == .first)
        // Room is looked for when a claim is granted.
        #expect(reason(1, hasRoom: false) == .first)
        #expect(reason(2, hasRoom: false) == .beingUploaded)
    }

    @Test func thereAreOnlySoManyClaims() {
        let most = claims.rules.maximumClaims
        for number in 1...most { #expect(reason(number, kernel: number) == .first) }
        let busy = ask(most + 1, kernel: most + 1).verdict
        #expect((busy.answer, busy.reason, busy.seconds) == (.wait, .busy, 30))
        #expect(reason(most + 1, kernel: 1) == .beingUploaded)
        claims.withdraw(Self.host(7), UploadClaims.Key(kernel: Self.kernel(7), artefact: .headers))
        #expect(reason(most + 1, kernel: most + 1) == .first)
        #expect(reason(most + 2, kernel: most + 2) == .busy)
        now += 120
        #expect(reason(most + 2, kernel: most + 2) == .first)
    }

    /// Or a host that lets its claims expire, takes as many others, and comes back to them, would hold more than there may be.
    @Test func anExpiredClaimGoesOnOnlyIfThereIsRoom() throws {
        let most = claims.rules.maximumClaims
        #expect(reason(1) == .first)
        now += 120
        for number in 2...most + 1 { #expect(reason(number, kernel: number) == .first) }
        #expect(reason(1) == .busy)
        #expect(claims.begin(Self.key, token: "token 1", now: now) == nil)
        // Nor does an upload that was under way then.
        #expect(!claims.resume(Self.key, token: "token 1", now: now))
        #expect(claims.liveClaims(now: now) == most)
        claims.withdraw(Self.host(2), UploadClaims.Key(kernel: Self.kernel(2), artefact: .headers))
        #expect(claims.begin(Self.key, token: "token 1", now: now)?.host == Self.host(1))
        #expect(ask(1).verdict.claim == "token 1")
        #expect(reason(2, kernel: 2) == .busy)
    }

    @Test func anExpiredClaimGoesOnOnlyIfItsHostHasNotAsManyOthers() {
        let most = claims.rules.maximumClaimsOfHost
        for kernel in 1...most { #expect(reason(1, kernel: kernel) == .first) }
        now += 120
        for kernel in most + 1...2 * most { #expect(reason(1, kernel: kernel) == .first) }
        #expect(reason(1) == .busy)
        #expect(claims.begin(Self.key, token: "token 1", now: now) == nil)
        #expect(reason(2) == .takenOver)
    }

    @Test func oneHostHasOnlySoManyClaims() {
        for kernel in 1...4 { #expect(reason(1, kernel: kernel) == .first) }
        #expect(reason(1, kernel: 5) == .busy)
        #expect(reason(2, kernel: 5) == .first)
    }

    @Test func hostileHostsDoNotMakeItGrow() throws {
        for number in 0..<20_000 {
            let verdict = ask(number, kernel: number).verdict
            let key = UploadClaims.Key(kernel: Self.kernel(number), artefact: .headers)
            if let token = verdict.claim, number % 3 > 0 {
                let begun = try #require(claims.begin(key, token: token, now: now))
                let end: UploadClaims.End =
                    number % 3 == 1
                    ? .brokenOff : .refused(Self.problem, nil, KernelIdentity(buildID: Self.kernel(number)))
                claims.end(key, token: token, upload: begun.upload, host: begun.host, end, now: now)
            }
            if number % 100 == 0 { now += 60 }
        }
        let rules = claims.rules
        #expect(claims.remembered <= 2 * rules.maximumClaims + 2 * rules.maximumRefusals)
        #expect(claims.remembered > rules.maximumRefusals)
    }

    // MARK: What the store has

    @Test func whatAnOperatorGaveOutranksHosts() {
        for offer in [Self.offer(1), Self.offer(2), Self.offer(nil), Self.offer(2, .sourceFolder)] {
            let (verdict, opinion) = ask(2, offer, held: Self.held(1, .operators))
            #expect((verdict.answer, verdict.reason, opinion) == (.have, .outranked, nil))
        }
    }

    @Test func whatWasPackedIsNotCompared() {
        for (standing, origin) in [
            (HeldArtefact.Standing.packed, HeaderOrigin.sysfs), (.packed, .modulesFolder), (.kernelsOwn, .sourceFolder),
        ] {
            for digest in [1, 2, nil] as [UInt8?] {
                let (verdict, opinion) = ask(2, Self.offer(digest, origin), held: Self.held(1, standing))
                #expect((verdict.answer, verdict.reason, opinion) == (.have, .notComparable, nil))
                #expect(verdict.wantsDigest == nil)
            }
        }
    }

    @Test func digestsAreCompared() {
        let same = ask(2, Self.offer(1, .moduleFile), held: Self.held())
        #expect((same.verdict.answer, same.verdict.reason, same.opinion) == (.have, .agreed, .agrees))
        let other = ask(2, Self.offer(2), held: Self.held())
        #expect((other.verdict.answer, other.verdict.reason, other.opinion) == (.conflict, .digestDiffers, .differs))
        // Who is counted already, is not again; nor is the one whose upload it is, nor one more than are asked.
        #expect(ask(2, held: Self.held(agreeing: [2])).opinion == nil)
        #expect(ask(1, held: Self.held()).opinion == nil)
        #expect(ask(4, held: Self.held(agreeing: [2, 3])).opinion == nil)
        #expect(ask(4, Self.offer(2), held: Self.held(agreeing: [2, 3])).opinion == .differs)
    }

    @Test func btfIsCompared() {
        func offer(_ digest: UInt8?) -> ArtefactOffer {
            ArtefactOffer(.btf, bytes: 1, digest: digest.map { Self.digest($0) })
        }
        #expect(ask(2, offer(1), held: Self.held()).verdict.reason == .agreed)
        #expect(ask(2, offer(2), held: Self.held()).verdict.reason == .digestDiffers)
        #expect(ask(2, offer(2), held: Self.held()).opinion == .differs)
        let unknown = ask(2, offer(nil), held: Self.held()).verdict
        #expect((unknown.reason, unknown.wantsDigest) == (.known, nil))
    }

    @Test func kHostsAreAskedForTheirDigest() {
        let deferred = Self.offer(nil, .loadedModule)
        #expect(reason(1, deferred, held: Self.held()) == .known)
        let second = ask(2, deferred, held: Self.held()).verdict
        #expect((second.answer, second.reason, second.wantsDigest) == (.have, .secondOpinion, true))
        #expect(reason(2, deferred, held: Self.held()) == .secondOpinion)
        #expect(reason(3, deferred, held: Self.held()) == .secondOpinion)
        let fourth = ask(4, deferred, held: Self.held()).verdict
        #expect((fourth.reason, fourth.wantsDigest) == (.known, nil))
        // One of them can't: another is asked.
        claims.withdraw(Self.host(3), Self.key)
        #expect(reason(4, deferred, held: Self.held()) == .secondOpinion)
        // One has said it; the other's time is up.
        #expect(ask(2, held: Self.held()).opinion == .agrees)
        let held = Self.held(opinions: [2], agreeing: [2])
        #expect(reason(5, deferred, held: held) == .known)
        now += 120
        #expect(reason(5, deferred, held: held) == .secondOpinion)
        #expect(reason(2, deferred, held: held) == .known)
        #expect(reason(6, deferred, held: held) == .known)
        // Enough, whatever they said.
        now += 120
        #expect(reason(7, deferred, held: Self.held(opinions: [2, 5], agreeing: [2])) == .known)
    }

    @Test func aClaimForWhatTheStoreHasByNowIsStale() {
        _ = ask(1)
        #expect(reason(2, held: Self.held(uploader: nil)) == .agreed)
        #expect(claims.begin(Self.key, token: "token 1", now: now) == nil)
        #expect(claims.remembered == 0)
    }
}
