import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore

/// Bytes with a name, a type and a strong validator, answered with all of conditional and range requests (RFC 9110, 13 and
/// 14): the one way in which this server sends what can be cached.
struct Representation {
    /// Where the bytes are.
    enum Contents: Sendable {
        case memory([UInt8])
        case file(DerivedFile)
        /// Of these only the length is known: for an answer without a body.
        case unopened(length: Int)

        var length: Int {
            switch self {
            case .memory(let bytes): bytes.count
            case .file(let file): file.length
            case .unopened(let length): length
            }
        }
    }

    /// How long a cache may keep what it has.
    enum Lifetime: String {
        /// Named by a digest: the same bytes for ever.
        case byDigest = "public, max-age=31536000, immutable"
        /// Named by a build ID: the same until an operator resolves a conflict.
        case byBuildID = "public, max-age=300, immutable"
        /// Of this version of the server: asked for again each time.
        case byVersion = "no-cache"
    }

    let contents: Contents
    let mediaType: String
    /// SHA-256 of the bytes: the entity tag and `Repr-Digest` (RFC 9530).
    let digest: Digest
    let lifetime: Lifetime
    /// Without folders, for debuginfod's clients.
    let fileName: String
    /// The digest of the tree that it was made of.
    var tree: Digest?
    /// What else is said of it, in every answer that is no refusal.
    var fields: HTTPFields = [:]

    private var entityTag: String { "\"\(digest)\"" }

    /// Whether ``hasNoBody(to:_:)`` can be, whatever is asked for.
    static func mayHaveNoBody(to request: HTTPRequest) -> Bool {
        request.method == .head || request.headerFields.contains(.ifNoneMatch)
    }

    /// Whether the answer has no body, and the contents need not be opened for it.
    ///
    /// - Parameter digest: SHA-256 of what is asked for.
    static func hasNoBody(to request: HTTPRequest, _ digest: Digest) -> Bool {
        request.method == .head || isHeld(by: request, "\"\(digest)\"")
    }

    private static func isHeld(by request: HTTPRequest, _ entityTag: String) -> Bool {
        // Mostly it is the one tag.
        guard let field = request.headerFields[.ifNoneMatch] else { return false }
        return field == entityTag || EntityTags(field).matchWeakly(entityTag)
    }

    /// - Throws: ``Refusal`` with `larger-than-maxsize` or `range-not-satisfiable`, `Problem` with `precondition-failed`.
    func response(to request: Request, over channel: any Channel) throws -> Response {
        let (status, headers, pieces) = try answer(to: request.head)
        return Response(status: status, headers: headers, body: body(pieces, channel))
    }

    /// The same at once, with the part of the contents that its body is, nil for none; nil if the body is of more than one
    /// piece, or more than may be written at once.
    ///
    /// - Throws: as ``response(to:over:)``.
    func promptAnswer(to request: HTTPRequest) throws -> (answer: PromptAnswer, range: Range<Int>?)? {
        var (status, headers, pieces) = try answer(to: request)
        // RFC 9110, 8.6: in a 304 it would be that of the file.
        if status != .notModified { headers[.contentLength] = "\(Self.length(pieces))" }
        let head = PromptAnswer.Head(status, headers)
        if request.method == .head || pieces.isEmpty { return (PromptAnswer(head: head, body: nil), nil) }
        guard case .contents(let range)? = pieces.first, pieces.count == 1, let body = promptBody(range) else {
            return nil
        }
        return (PromptAnswer(head: head, body: body), range)
    }

    /// A part of the contents; nil for what is in memory and longer than a chunk, or not open.
    func promptBody(_ range: Range<Int>) -> PromptAnswer.Body? {
        if case .file(let file) = contents { return .file(file.contents, range) }
        return buffer([.contents(range)]).map { .bytes($0) }
    }

    private func answer(to request: HTTPRequest) throws -> (HTTPResponse.Status, HTTPFields, [Piece]) {
        let size: HTTPFields = [.debuginfodSize: "\(contents.length)", .debuginfodFile: fileName]
        if let most = request.headerFields[.debuginfodMaximumSize].flatMap({ Int($0) }), most > 0,
            contents.length > most
        {
            let detail = "The file has \(contents.length) bytes, and \(APIField.debuginfodMaximumSize) allows \(most)."
            throw Refusal(problem: Problem(.largerThanMaxsize, detail), fields: size)
        }
        var headers = size
        let entityTag = entityTag
        headers[.eTag] = entityTag
        headers[.cacheControl] = lifetime.rawValue
        headers[.acceptRanges] = "bytes"
        headers[.reprDigest] = "sha-256=:\(digest.base64):"
        headers[.tree] = tree.map { "\($0)" }
        headers.append(contentsOf: fields)
        if let field = request.headerFields[.ifMatch], !EntityTags(field).matchStrongly(entityTag) {
            throw Problem(
                .preconditionFailed, "The file is not the one of your If-Match: its entity tag is \(entityTag).")
        }
        if Self.isHeld(by: request, entityTag) { return (.notModified, headers, []) }
        switch requestedRanges(request) {
        case .whole:
            headers[.contentType] = mediaType
            return (.ok, headers, [.contents(0..<contents.length)])
        case .parts(let parts) where parts.count == 1:
            headers[.contentType] = mediaType
            headers[.contentRange] = contentRange(parts[0])
            return (.partialContent, headers, [.contents(parts[0])])
        case .parts(let parts):
            let boundary = "kheaderd-\(digest.description.prefix(32))"
            headers[.contentType] = "multipart/byteranges; boundary=\(boundary)"
            return (.partialContent, headers, multipart(parts, boundary: boundary))
        case .unsatisfiable:
            let detail = "The file has \(contents.length) bytes, and none of the ranges asked for is in it."
            // RFC 9110, 15.5.17.
            throw Refusal(
                problem: Problem(.rangeNotSatisfiable, detail), fields: [.contentRange: "bytes */\(contents.length)"])
        }
    }

    private func requestedRanges(_ request: HTTPRequest) -> ByteRangeRequest {
        guard request.method == .get else { return .whole }
        // A date in If-Range matches nothing here: there is no Last-Modified to compare it with.
        if let field = request.headerFields[.ifRange],
            !EntityTags(field).matchStrongly(entityTag) || field.contains("*")
        {
            return .whole
        }
        return ByteRangeRequest(request.headerFields[.range], length: contents.length)
    }

    private func contentRange(_ range: Range<Int>) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(contents.length)"
    }

    // MARK: Bodies

    private enum Piece: Sendable {
        case text(String)
        case contents(Range<Int>)

        var length: Int {
            switch self {
            case .text(let text): text.utf8.count
            case .contents(let range): range.count
            }
        }
    }

    /// RFC 9110, 14.6.
    private func multipart(_ parts: [Range<Int>], boundary: String) -> [Piece] {
        var pieces: [Piece] = []
        for part in parts {
            let head = "\r\n--\(boundary)\r\nContent-Type: \(mediaType)\r\nContent-Range: \(contentRange(part))\r\n\r\n"
            pieces += [.text(head), .contents(part)]
        }
        return pieces + [.text("\r\n--\(boundary)--\r\n")]
    }

    private static func length(_ pieces: [Piece]) -> Int { pieces.reduce(0) { $0 + $1.length } }

    /// Nil for what is not in memory, or longer than a chunk.
    private func buffer(_ pieces: [Piece]) -> ByteBuffer? {
        guard case .memory(let bytes) = contents, case .contents(let range)? = pieces.first, pieces.count == 1,
            range.count <= OpenFile.chunk
        else { return nil }
        return ByteBuffer(bytes: bytes[range])
    }

    private func body(_ pieces: [Piece], _ channel: any Channel) -> ResponseBody {
        if pieces.isEmpty { return ResponseBody() }
        if let buffer = buffer(pieces) { return ResponseBody(byteBuffer: buffer) }
        let contents = contents
        return ResponseBody(contentLength: Self.length(pieces)) { writer in
            for piece in pieces {
                switch piece {
                case .text(let text): try await writer.write(ByteBuffer(string: text))
                case .contents(let range): try await contents.write(range, to: &writer, over: channel)
                }
            }
            try await writer.finish(nil)
        }
    }
}

extension Representation.Contents {
    fileprivate func write(
        _ range: Range<Int>, to writer: inout any ResponseBodyWriter, over channel: any Channel
    ) async throws {
        switch self {
        // In pieces, as each slow client holds one in memory: the bytes themselves are everybody's.
        case .memory(let bytes):
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: OpenFile.chunk) {
                let end = min(offset + OpenFile.chunk, range.upperBound)
                try await writer.write(ByteBuffer(bytes: bytes[offset..<end]))
            }
        case .file(let file): try await file.contents.write(range, to: &writer, over: channel)
        case .unopened: throw Problem(.internalError, "An answer without a body was to have one.")
        }
    }
}

extension HTTPField.Name {
    // Literals that are valid field names; `init?` is for names that come from outside.
    static let reprDigest = name("Repr-Digest")
    static let wantReprDigest = name("Want-Repr-Digest")
    static let contentDigest = name("Content-Digest")
    static let requestID = name("X-Request-ID")
    static let tree = name(APIField.tree)
    static let pchKey = name(APIField.pchKey)
    static let debuginfodSize = name(APIField.debuginfodSize)
    static let debuginfodFile = name(APIField.debuginfodFile)
    static let debuginfodMaximumSize = name(APIField.debuginfodMaximumSize)
    static let claim = name(APIField.claim)
    static let uploadComplete = name(APIField.uploadComplete)
    static let uploadOffset = name(APIField.uploadOffset)
    static let uploadLength = name(APIField.uploadLength)
    static let uploadLimit = name(APIField.uploadLimit)
    static let uploadDraftInterop = name(APIField.uploadDraftInterop)

    /// Of a literal that is a valid name.
    static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field name") }
        return name
    }
}
