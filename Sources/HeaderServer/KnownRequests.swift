import Glibc
import HTTPTypes
import NIOCore
import Synchronization

/// Requests by the bytes of their heads: what a decoder made of them once it makes of them again, and ``KnownRequestHandler``
/// need not ask it.
///
/// There are only such that ``PromptAnswers`` may have an answer to: those mean the same whatever came before them, on any
/// connection of HTTP/1.1. It takes at most some two megabytes: ``maximum`` heads of ``maximumBytes``, with what was read
/// from them.
final class KnownRequests: Sendable {
    /// When there are as many, all are forgotten: those that come often are soon known again.
    static let maximum = 512
    /// Of a head.
    static let maximumBytes = 1024

    private static let blankLine: [UInt8] = Array("\r\n\r\n".utf8)

    let answers: PromptAnswers
    private let known = Mutex<[ByteBuffer: KnownRequest]>([:])

    init(_ answers: PromptAnswers) { self.answers = answers }

    /// The request that the bytes are the whole of, no less and no more, with its body.
    ///
    /// - Parameter bytes: the first of them begins a request.
    func find(_ bytes: ByteBuffer) -> (request: KnownRequest, body: ByteBuffer)? {
        guard let length = Self.headLength(bytes), let (head, body) = Self.split(bytes, length),
            let request = known.withLock({ $0[head] }), request.bodyLength == body.readableBytes
        else { return nil }
        return (request, body)
    }

    /// Remembers a request.
    ///
    /// - Parameters:
    ///   - request: what a decoder made of the bytes, the only one in them; of HTTP/1.1.
    ///   - mayBegin: whether the first byte begins it, for sure.
    /// - Returns: whether the last byte ends it, for sure.
    func learn(_ bytes: ByteBuffer, _ request: HTTPRequest, mayBegin: Bool) -> Bool {
        guard let length = Self.headLength(bytes), let (head, body) = Self.split(bytes, length), Self.isStrict(head),
            let question = answers.question(request)
        else { return false }
        let bodyLength: Int
        switch question {
        case .artefact: bodyLength = 0
        // The decoder may have begun before.
        case .sighting(_, let bytes):
            guard mayBegin else { return false }
            bodyLength = bytes
        }
        guard body.readableBytes == bodyLength else { return false }
        guard mayBegin else { return true }
        // Of the buffer, which is read into again, it would keep all.
        let key = ByteBuffer(bytes: head.readableBytesView)
        let new = KnownRequest(request, question, bodyLength: bodyLength)
        known.withLock { known in
            if known.count >= Self.maximum { known.removeAll(keepingCapacity: true) }
            known[key] = new
        }
        return true
    }

    private static func split(_ bytes: ByteBuffer, _ length: Int) -> (head: ByteBuffer, body: ByteBuffer)? {
        var body = bytes
        return body.readSlice(length: length).map { ($0, body) }
    }

    /// Up to the first blank line, which belongs to it; nil if there is none where one of a known head would be.
    private static func headLength(_ bytes: ByteBuffer) -> Int? {
        bytes.withUnsafeReadableBytes { bytes in
            let bytes = UnsafeRawBufferPointer(rebasing: bytes.prefix(maximumBytes))
            guard let start = bytes.baseAddress else { return nil }
            var searched = blankLine.count - 1
            while searched < bytes.count,
                let found = memchr(start + searched, CInt(UInt8(ascii: "\n")), bytes.count - searched)
            {
                searched = start.distance(to: found) + 1
                if bytes[..<searched].suffix(blankLine.count).elementsEqual(blankLine) { return searched }
            }
            return nil
        }
    }

    /// Whether lines end with both characters only, and begin with nothing else: a decoder that takes others for ends of
    /// lines as well would see the blank line elsewhere.
    private static func isStrict(_ head: ByteBuffer) -> Bool {
        let bytes = head.readableBytesView
        let ends = zip(bytes, bytes.dropFirst()).allSatisfy { one, next in
            (one == UInt8(ascii: "\r")) == (next == UInt8(ascii: "\n"))
        }
        return ends && bytes.first.map { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") } ?? false
    }
}
