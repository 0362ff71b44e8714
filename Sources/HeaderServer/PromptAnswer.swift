import HTTPTypes
import HeaderStore
import NIOCore
import NIOHTTP1

/// An answer that is there at once, as it goes to the connection.
struct PromptAnswer {
    enum Body {
        case bytes(ByteBuffer)
        case file(OpenFile, Range<Int>)

        var length: Int {
            switch self {
            case .bytes(let buffer): buffer.readableBytes
            case .file(_, let range): range.count
            }
        }
    }

    var head: HTTPResponse
    /// Nil for none.
    var body: Body?
    /// What counts it, beside what counts every answer.
    var counts: [MetricsRegistry.Count] = []
}

extension HTTPResponse {
    /// The head as HTTP/1.1 has it (RFC 9112, 4 and 5).
    func serialized(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        var bytes = allocator.buffer(capacity: 1024)
        let status = HTTPResponseStatus(statusCode: status.code)
        bytes.writeString("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
        for field in headerFields {
            bytes.writeString(field.name.rawName)
            bytes.writeStaticString(": ")
            bytes.writeString(field.value)
            bytes.writeStaticString("\r\n")
        }
        bytes.writeStaticString("\r\n")
        return bytes
    }
}
