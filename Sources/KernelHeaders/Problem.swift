/// A refusal as one value: thrown by every module, sent as `application/problem+json` (RFC 9457), printed by the tools.
public struct Problem: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// The media type of its JSON form.
    public static let mediaType = "application/problem+json"

    /// RFC 9457's `type`: `about:blank`, as the code below says more than a URL that nobody serves.
    public var type: String
    public var title: String
    /// The HTTP status code.
    public var status: Int
    /// A sentence that a person can act on.
    public var detail: String
    /// Extension member: the stable code.
    public var code: ProblemCode
    /// Extension member: the request's ID, as in the server's log.
    public var requestID: String?

    public init(_ code: ProblemCode, _ detail: String, requestID: String? = nil) {
        self.type = "about:blank"
        self.title = code.title
        self.status = code.status
        self.detail = detail
        self.code = code
        self.requestID = requestID
    }

    public var description: String { "\(detail) (\(code.rawValue))" }
}

extension Problem {
    /// The same JSON as by `Codable`, members in alphabetical order.
    package var json: [UInt8] {
        JSONTree.bytes(ofObject: [
            ("code", .string(code.rawValue)), ("detail", .string(detail)),
            ("requestID", requestID.map { .string($0) }), ("status", JSONTree(status)), ("title", .string(title)),
            ("type", .string(type)),
        ])
    }
}
