internal import FoundationEssentials
public import KernelHeaders

/// A server's answer that says no: its status, and what its problem document says.
public struct ServerRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// The HTTP status code.
    public let status: Int
    /// The stable code. A newer server's may be unknown to this program, so it is text; `http-STATUS` from a server, or
    /// a proxy before it, that sent no problem document.
    public let code: String
    /// A sentence for people.
    public let detail: String
    public let requestID: String?
    /// The server, as it was named to this program.
    public let server: String

    /// The code, if this program knows it.
    public var problemCode: ProblemCode? { ProblemCode(rawValue: code) }

    /// Whether the server, or a proxy before it, could not answer at this time.
    public var isUnavailable: Bool { [502, 503, 504].contains(status) }

    public var description: String {
        // Of a server that failed, its operator will want to find why; of a no, the sentence says it all.
        let trace = status >= 500 ? requestID.map { " The server's log has it as request \($0)." } ?? "" : ""
        return "\(detail)\(trace) (\(code))"
    }

    /// - Parameter body: the response's body, a problem document or not.
    init(status: Int, mediaType: String?, body: [UInt8], server: String) {
        let document =
            mediaType == Problem.mediaType || mediaType == "application/json"
            ? try? JSONDecoder().decode(Document.self, from: Data(body)) : nil
        self.status = status
        self.server = server
        code = document?.code ?? "http-\(status)"
        detail = document?.detail ?? document?.title ?? "The server \(server) answered \(status)."
        requestID = document?.requestID
    }

    /// A no that this program finds in a server's answer.
    package init(_ problem: Problem, server: String) {
        status = problem.status
        code = problem.code.rawValue
        detail = problem.detail
        requestID = nil
        self.server = server
    }

    // RFC 9457 lets every member be missing, and a code that this program does not know must not hide the sentence.
    private struct Document: Decodable {
        var title: String?
        var detail: String?
        var code: String?
        var requestID: String?
    }
}
