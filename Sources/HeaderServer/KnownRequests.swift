import Glibc
import HTTPTypes
import NIOCore
import Synchronization

/// Requests by the bytes of their heads: what a decoder made of them once it makes of them again, and ``KnownRequestHandler``
/// need not ask it.
///
/// There are only such that ``PromptAnswers`` may have an answer to: those mean the same whatever came before them, on any
/// connection of HTTP/1.1. Who may ask is looked up each time; but the tokens that heads have are here until all are
/// forgotten. It takes some five megabytes at most, with what ``KnownRequest`` keeps of answers.
final class KnownRequests: Sendable {
    /// When there are as many, all are forgotten: those that come often are soon known again.
    static let maximum = 512
    /// Of a head.
    static let maximumBytes = 1024
    /// Of a head: each takes more room than its bytes.
    static let maximumFields = 32

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
    func learn(_ bytes: ByteBuffer, _ request: KnownRequest, mayBegin: Bool) -> Bool {
        guard let length = Self.headLength(bytes), let (head, body) = Self.split(bytes, length), Self.isStrict(head),
            body.readableBytes == request.bodyLength
        else { return false }
        // Where it did not begin, what looks like its head may be the end of another body; but it has none, and the decoder
        // would have begun one more behind it.
        guard mayBegin else { return request.bodyLength == 0 }
        guard request.request.headerFields.count <= Self.maximumFields else { return true }
        // Of the buffer, which is read into again, it would keep all.
        let key = ByteBuffer(bytes: head.readableBytesView)
        // What is forgotten is freed after the lock, for which event loops wait.
        _ = known.withLock { known in
            let old = known.count >= Self.maximum ? known : nil
            if old != nil { known = [:] }
            known[key] = request
            return old
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

    /// Whether CR and LF come only as a pair, and not first: a decoder that takes others for ends of lines as well would see
    /// the blank line elsewhere.
    private static func isStrict(_ head: ByteBuffer) -> Bool {
        let bytes = head.readableBytesView
        let ends = zip(bytes, bytes.dropFirst()).allSatisfy { one, next in
            (one == UInt8(ascii: "\r")) == (next == UInt8(ascii: "\n"))
        }
        return ends && bytes.first.map { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") } ?? false
    }
}
