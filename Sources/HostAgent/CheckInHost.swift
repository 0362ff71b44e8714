public import HeaderTransport
public import KernelHeaders

/// What a check-in asks of the host it is for. ``LocalHost`` is this one.
public protocol CheckInHost: Sendable {
    var identity: HostIdentity { get }
    var kernel: KernelIdentity { get }

    /// What the host could give. Does what is cheap only: no module is loaded, nothing decompressed or packed.
    func survey() async throws -> HostSurvey

    /// Gets hold of an artefact, whatever work that is.
    ///
    /// - Throws: `CancellationError`; what keeps the host from looking at all. That an artefact can't be had is no error.
    func collect(_ artefact: Artefact) async throws -> CollectedArtefact
}

/// What a look at a host found.
public struct HostSurvey: Sendable, Equatable {
    /// Where headers were looked for.
    public var steps: [CollectStep]
    /// What there is, at most one offer an artefact.
    public var offers: [ArtefactOffer]

    public init(steps: [CollectStep], offers: [ArtefactOffer]) {
        self.steps = steps
        self.offers = offers
    }
}

/// What came of collecting.
public struct CollectedArtefact: Sendable {
    /// Where it was looked for; of headers only.
    public var steps: [CollectStep]
    /// What can be sent, and where it is from; nil if there is nothing.
    public var found: (file: UploadFile, origin: HeaderOrigin?)?

    public init(steps: [CollectStep], found: (file: UploadFile, origin: HeaderOrigin?)?) {
        self.steps = steps
        self.found = found
    }
}
