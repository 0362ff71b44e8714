public import KernelHeaders

/// What agents do: report that their host runs a kernel, and upload what the store then wants of them.
extension HeaderStore {
    /// Puts a host's report on record and says what is wanted of its offers. The report is durable by then.
    ///
    /// - Parameters:
    ///   - sighting: checked as to lengths and characters, with one offer an artefact at most.
    ///   - digest: SHA-256 of the bytes it was sent as, by which ``keptAnswer(toReport:kernel:)`` knows it again; nil if it
    ///     need not.
    ///   - token: the ID of the token that it came with; nil for none. See ``HostRules/number``.
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    public func checkIn(
        _ sighting: Sighting, sentAs digest: Digest? = nil, by token: String? = nil
    ) async throws -> SightingAnswer {
        try await checkIns.answer(sighting, digest, by: token ?? "")
    }

    /// The same at once, of a report that its host sent before, and since then no other, and that says nothing new; nil if
    /// that is not sure.
    ///
    /// - Parameters:
    ///   - digest: SHA-256 of the bytes it was sent as.
    ///   - id: the kernel that it is to be of.
    /// - Returns: the answer, and its verdicts' number: the same one has the same verdicts, and there are a few.
    public func keptAnswer(toReport digest: Digest, kernel id: BuildID) -> (answer: SightingAnswer, number: Int)? {
        checkIns.keptAnswer(digest, id)
    }

    /// Uploads that hosts have been told to do and are expected to.
    public var liveClaims: Int { checkIns.liveClaims }

    /// Begins an upload, before its first byte is taken.
    ///
    /// - Parameter claim: the claim that the upload names; nil for one that names none, which is always allowed.
    /// - Returns: to be told of the bytes that arrive and handed to `ingest`.
    /// - Throws: `Problem` with `claim-stale`.
    public func beginUpload(of artefact: Artefact, kernel: BuildID, claim: String?) throws -> UploadPermit {
        let key = UploadClaims.Key(kernel: kernel, artefact: artefact)
        guard let claim else { return UploadPermit(checkIns: checkIns, key: key) }
        let begun = checkIns.withClaims { claims, now in claims.begin(key, token: claim, now: now) }
        guard let begun else { throw UploadPermit.stale }
        return UploadPermit(checkIns: checkIns, key: key, token: claim, upload: begun.upload, host: begun.host)
    }
}
