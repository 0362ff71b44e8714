internal import KernelHeaders

/// What hosts say of a kernel.
struct KernelSightings: Sendable, CustomStringConvertible {
    /// Hosts whose last report was of it.
    var hosts: Int
    /// What most of their agents found, and how many those are.
    var mostFrequent: [CollectStep] = []
    var hostsWithMostFrequent = 0

    /// Sentences, without what hosts wrote themselves.
    var description: String {
        guard hosts > 0 else { return "No host runs it any more." }
        let runs = hosts == 1 ? "1 host runs it" : "\(hosts) hosts run it"
        let found = mostFrequent.filter { $0.outcome != .notNeeded }
            .map { "\($0.origin.rawValue) \($0.outcome.rawValue)" }
        guard !found.isEmpty else { return "\(runs)." }
        let agents =
            hostsWithMostFrequent == 1 ? "the agent of 1 found" : "the agents of \(hostsWithMostFrequent) found"
        return "\(runs); \(agents): \(found.joined(separator: ", "))."
    }
}
