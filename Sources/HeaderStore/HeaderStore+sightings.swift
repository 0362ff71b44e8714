public import KernelHeaders

/// What agents do: report that their host runs a kernel, and upload what the store then wants of them.
extension HeaderStore {
    /// Puts a host's report on record and says what is wanted of its offers. The report is durable by then.
    ///
    /// - Parameter sighting: checked as to lengths and characters, with one offer an artefact at most.
    /// - Throws: `Problem` with `disk-full`, or what SQLite says.
    public func checkIn(_ sighting: Sighting) async throws -> SightingAnswer { try await checkIns.answer(sighting) }

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
