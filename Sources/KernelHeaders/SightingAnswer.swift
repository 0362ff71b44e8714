/// The server's answer to a ``Sighting``: a verdict for each offer.
public struct SightingAnswer: Codable, Sendable, Equatable {
    /// In the order of the offers.
    public var verdicts: [ArtefactVerdict]
    /// The server's clock, in seconds since 1970.
    public var time: Int

    public init(verdicts: [ArtefactVerdict], time: Int) {
        self.verdicts = verdicts
        self.time = time
    }
}

/// What the server wants of one offer.
public struct ArtefactVerdict: Codable, Sendable, Equatable {
    /// What the host is to do.
    public enum Answer: String, Codable, Sendable, CaseIterable {
        /// Nothing: the server has it.
        case have
        /// Upload it, under ``ArtefactVerdict/claim``, before that expires.
        case upload
        /// Nothing now: another host is uploading it. Ask again after ``ArtefactVerdict/seconds`` if you will.
        case wait
        /// Nothing: the server has another one, and has noted that this host disagrees.
        case conflict
        /// Nothing: the server does not take it.
        case refused
        /// An answer that this program's version does not know: nothing is to be done.
        case unknown

        public init(from decoder: any Decoder) throws {
            self = Answer(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
        }
    }

    /// Why. Programs decide by it; the sentence beside it is for people.
    public enum Reason: String, Codable, Sendable, CaseIterable {
        /// `have`: the server has one; this host's was not compared.
        case known
        /// `have`: and this host's is the same.
        case agreed
        /// `have`: the server would like to know this host's digest; see ``ArtefactVerdict/wantsDigest``.
        case secondOpinion = "second-opinion"
        /// `have`: the server's comes from its operator, who outranks hosts.
        case outranked
        /// `have`: the server's was packed from a folder, or this host's is: their bytes can't be compared.
        case notComparable = "not-comparable"
        /// `upload`: no host has uploaded it yet.
        case first
        /// `upload`: the host that was to do it did not.
        case takenOver = "taken-over"
        /// `wait`: another host is at it.
        case beingUploaded = "being-uploaded"
        /// `wait`: as many uploads as the server takes are under way.
        case busy
        /// `conflict`: the server's has another digest.
        case digestDiffers = "digest-differs"
        /// `refused`: this very archive was uploaded, and turned down.
        case archiveRefused = "archive-refused"
        /// `refused`: it is over the server's limit.
        case tooLarge = "too-large"
        /// `refused`: the server's disk is full.
        case diskFull = "disk-full"
        /// A reason that this program's version does not know.
        case unknown

        public init(from decoder: any Decoder) throws {
            self = Reason(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
        }
    }

    public var artefact: Artefact
    public var answer: Answer
    public var reason: Reason
    /// A sentence for people.
    public var detail: String
    /// With `upload`: to be sent with the upload (``APIField/claim``).
    public var claim: String?
    /// With `upload`: how long the claim is good without a byte arriving. With `wait`: when to ask again. In seconds.
    public var seconds: Int?
    /// With `have`: whether to send the sighting once more, with the digest of the archive, for which it may have to be
    /// made or got out of its module. Nothing is to be uploaded.
    public var wantsDigest: Bool?

    public init(
        _ artefact: Artefact, _ answer: Answer, _ reason: Reason, _ detail: String, claim: String? = nil,
        seconds: Int? = nil, wantsDigest: Bool? = nil
    ) {
        self.artefact = artefact
        self.answer = answer
        self.reason = reason
        self.detail = detail
        self.claim = claim
        self.seconds = seconds
        self.wantsDigest = wantsDigest
    }
}
