/// What went wrong between this program and the servers, other than a server's refusal (``ServerRefusal``).
public enum TransportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There was no response; `isTransient` if another attempt may have one.
    case unreachable(server: String, reason: String, isTransient: Bool)
    /// The connection broke, or stood still, after the response had begun.
    case brokenOff(server: String, reason: String, isTransient: Bool)
    /// A server answered what this program does not understand, or what is not true.
    case badAnswer(server: String, what: String)
    /// What arrived does not have the digest that the server said it would have.
    case digestDiffers(server: String)

    /// The stable code, as `ProblemCode` has them for refusals.
    public var code: String {
        switch self {
        case .unreachable: "server-unreachable"
        case .brokenOff: "transfer-broken-off"
        case .badAnswer: "server-answer-malformed"
        case .digestDiffers: "content-digest-mismatch"
        }
    }

    /// What happened, in a few words.
    package var reason: String {
        switch self {
        case .unreachable(_, let reason, _), .brokenOff(_, let reason, _): reason
        case .badAnswer(_, let what): "answered \(what)"
        case .digestDiffers: "sent bytes that do not have their digest"
        }
    }

    public var description: String {
        switch self {
        case .unreachable(let server, let reason, _):
            "The server \(server) did not answer: \(reason). Does it run there? (\(code))"
        case .brokenOff(let server, let reason, _):
            "The answer of the server \(server) broke off: \(reason). Try again. (\(code))"
        case .badAnswer(let server, let what):
            "The server \(server) answered \(what). Is it a kheaderd, and the network's proxy not in between? (\(code))"
        case .digestDiffers(let server):
            "What the server \(server) sent does not have the digest it was announced with, and nothing of it was kept. Try again; a proxy in between may have changed it. (\(code))"
        }
    }
}
