public import KernelHeaders

extension HeaderServerClient {
    /// The most bytes of an answer to a sighting taken.
    static let answerLimit = 1 << 16
    /// The longest claim taken, in bytes.
    static let maximumClaimLength = 256

    /// Reports that a host runs a kernel. The servers are asked one after the other, not side by side.
    ///
    /// - Returns: a verdict for each offer, in their order, and the server that answered: a claim is good there only, so
    ///   uploads go to ``only(_:)`` of it.
    public func report(_ sighting: Sighting) async throws -> (answer: SightingAnswer, server: ServerAddress) {
        let request = CurlRequest(
            method: .post, path: APIPath.sightings(sighting.kernel.buildID),
            fields: [("Content-Type", "application/json")],
            body: .document(sighting.json.bytes), seconds: timeouts.document)
        return try await ask(request) { transfer, server, _ in
            let answer = try Self.decode(SightingAnswer.self, from: transfer, server, limit: Self.answerLimit)
            guard answer.verdicts.map(\.artefact) == sighting.offers.map(\.artefact) else {
                throw TransportError.badAnswer(server: "\(server)", what: "other verdicts than were asked for")
            }
            guard answer.verdicts.allSatisfy(Self.canBeFollowed) else {
                throw TransportError.badAnswer(
                    server: "\(server)", what: "a verdict without a claim, or with a time or claim that is none")
            }
            return (answer, server)
        }
    }

    /// A claim goes into a header field, where a line end would begin another one; a time is waited for.
    private static func canBeFollowed(_ verdict: ArtefactVerdict) -> Bool {
        let claim = (verdict.claim ?? "").utf8
        return (verdict.answer != .upload || !claim.isEmpty) && claim.count <= maximumClaimLength
            && claim.allSatisfy { (0x21...0x7E).contains($0) } && (0...TransferTimeouts.longest) ~= verdict.seconds ?? 0
    }
}
