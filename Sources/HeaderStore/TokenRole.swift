/// What a token's holder may do. Which routes that are is the server's to say.
public enum TokenRole: String, Codable, Sendable, CaseIterable {
    /// A host: reports which kernel it runs, and uploads that kernel's headers and BTF. Reads nothing.
    case agent
    /// Who traces: reads everything, and writes nothing.
    case client
    /// Who makes PCHs for others: reads as a client does, and uploads PCHs and profiles.
    case builder
    /// Does everything.
    case `operator`
}
