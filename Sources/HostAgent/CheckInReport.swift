public import HeaderTransport
public import KernelHeaders

/// What a check-in came to, as `kheader-agent run --json` prints it.
public struct CheckInReport: Codable, Sendable, Equatable {
    /// What became of one artefact.
    public enum Outcome: String, Codable, Sendable, CaseIterable {
        /// The server had it.
        case have
        /// This host has uploaded it.
        case uploaded
        /// Another host is uploading it, and there was no time left to see how that ends.
        case waiting
        /// The server has another one.
        case conflict
        /// The server does not take it.
        case refused
        /// The server wants it, and it could not be collected.
        case notCollected = "not-collected"
        /// This host has none, or none that is proven to be the running kernel's.
        case nothing
    }

    /// One artefact.
    public struct Result: Codable, Sendable, Equatable {
        public var artefact: Artefact
        public var outcome: Outcome
        /// The server's reason code (`ArtefactVerdict.Reason`, or the code of its refusal); nil if it was not asked.
        public var reason: String?
        /// A sentence.
        public var detail: String
    }

    public var kernel: KernelIdentity
    public var host: HostID
    public var bootID: String
    public var steps: [CollectStep]
    /// Headers, then BTF.
    public var results: [Result]

    /// What is left for a person to look at, in a sentence or some.
    public var summary: String {
        let unsettled = results.filter { ![.have, .uploaded, .waiting].contains($0.outcome) }
        return "\(kernel.release ?? "The kernel") (\(kernel.buildID)) is reported."
            + unsettled.map { " \($0.artefact.rawValue): \($0.outcome.rawValue). \($0.detail)" }.joined()
    }

    /// What the command ends with: done if the server was told and nothing is left to do for this host.
    public var exitStatus: ExitStatus {
        let outcomes = results.map(\.outcome)
        if outcomes.contains(.conflict) || outcomes.contains(.refused) { return .refused }
        if outcomes.contains(.notCollected) { return .notFound }
        return results.contains { $0.artefact == .headers && $0.outcome == .nothing } ? .notFound : .done
    }
}
