import HTTPTypes
import HeaderStore
import KernelHeaders
import NIOCore
import Synchronization

/// A request that was asked before, and what need not be made again when it is asked in the same bytes: a fleet's agents
/// report each kernel, and its tools fetch each bundle, in the same words.
final class KnownRequest: Sendable {
    /// What an answer with a representation was made of, and its head.
    private struct Prepared {
        let digest: Digest
        let tree: Digest?
        let head: PromptAnswer.Head
        /// Of the contents; nil for no body.
        let range: Range<Int>?
    }

    /// A refusal as it is sent, to a request's ID of as many bytes.
    private struct Refused {
        let problem: Problem
        let head: PromptAnswer.Head
        let body: ByteBuffer
        /// Where the ID stands in the body.
        let requestID: Range<Int>
    }

    let request: HTTPRequest
    let question: PromptAnswers.Question
    private let prepared = Mutex<Prepared?>(nil)
    private let refused = Mutex<Refused?>(nil)

    init(_ request: HTTPRequest, _ question: PromptAnswers.Question) {
        self.request = request
        self.question = question
    }

    /// As its head says.
    var bodyLength: Int {
        switch question {
        case .artefact: 0
        case .sighting(_, let bytes): bytes
        }
    }

    /// ``Representation/promptAnswer(to:)`` of the request.
    ///
    /// - Parameter representation: of what the request's path names.
    func answer(with representation: Representation) throws -> PromptAnswer? {
        // Of the same path, what has the same digest is said the same of.
        let last = prepared.withLock { $0 }
        if let last, (last.digest, last.tree) == (representation.digest, representation.tree) {
            guard let range = last.range else { return PromptAnswer(head: last.head, body: nil) }
            if let body = representation.promptBody(range) { return PromptAnswer(head: last.head, body: body) }
        }
        guard let (answer, range) = try representation.promptAnswer(to: request) else { return nil }
        prepared.withLock {
            $0 = Prepared(digest: representation.digest, tree: representation.tree, head: answer.head, range: range)
        }
        return answer
    }

    /// - Parameters:
    ///   - problem: without a request's ID.
    ///   - requestID: hexadecimal digits.
    func answer(refusing problem: Problem, requestID: String) -> PromptAnswer {
        let hasBody = request.method != .head
        if let last = refused.withLock({ $0 }), last.problem == problem, last.requestID.count == requestID.utf8.count {
            var body = last.body
            body.setString(requestID, at: last.requestID.lowerBound)
            return PromptAnswer(head: last.head, body: hasBody ? .bytes(body) : nil)
        }
        var named = problem
        named.requestID = requestID
        let (headers, body) = named.document
        let head = PromptAnswer.Head(HTTPResponse.Status(code: problem.status), headers)
        // The last one: what stands before it is what was asked for.
        if let range = body.readableBytesView.lastRange(of: requestID.utf8) {
            refused.withLock { $0 = Refused(problem: problem, head: head, body: body, requestID: range) }
        }
        return PromptAnswer(head: head, body: hasBody ? .bytes(body) : nil)
    }
}

extension ByteBufferView {
    fileprivate func lastRange(of bytes: String.UTF8View) -> Range<Int>? {
        guard count >= bytes.count else { return nil }
        return (startIndex...endIndex - bytes.count).last { self[$0...].starts(with: bytes) }
            .map { $0..<$0 + bytes.count }
    }
}
