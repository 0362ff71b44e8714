import KernelHeaders
import OperatorDocuments

extension PageText {
    /// What an agent found in one place.
    static func step(_ step: CollectStep) -> String {
        "\(step.origin.rawValue): \(words(step.outcome))" + (step.detail.map { ". \($0)" } ?? "")
    }

    /// The same of all places in one line, without what hosts wrote themselves.
    static func steps(_ steps: [CollectStep]) -> String {
        let found = steps.filter { $0.outcome != .notNeeded }
        return found.map { "\($0.origin.rawValue) \(words($0.outcome))" }.joined(separator: ", ")
    }

    private static func words(_ outcome: CollectStep.Outcome) -> String {
        String(outcome.rawValue.map { $0 == "-" ? " " : $0 })
    }

    /// By which digest a side of a conflict is told from the others.
    static func side(_ side: KernelConflict.Side) -> String {
        if let tree = side.treeDigest { return "tree \(tree)" }
        return side.digest.map { "\(side.artefact == .headers ? "archive" : "BTF") \($0)" } ?? "unknown"
    }

    static func sentence(_ side: KernelConflict.Side, now: Int) -> String {
        let hosts =
            side.hosts == 0 ? "No host is known to have it" : "\(count(side.hosts, "host has", "hosts have")) it"
        let source = side.source.map { " Sent as \($0.rawValue)." } ?? ""
        return
            "\(side.isServed ? "This is what the server has. " : "")\(hosts).\(source) Last seen \(age(side.lastSeen, now: now))."
    }
}
