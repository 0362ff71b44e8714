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

    /// A status and fields, and the same as HTTP/1.1 has them (RFC 9112, 4 and 5), without the empty line.
    struct Head {
        let response: HTTPResponse
        let bytes: ByteBuffer

        init(_ status: HTTPResponse.Status, _ fields: HTTPFields) {
            response = HTTPResponse(status: status, headerFields: fields)
            let status = HTTPResponseStatus(statusCode: status.code)
            var bytes = ByteBufferAllocator().buffer(capacity: 512)
            bytes.writeString("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
            bytes.write(fields)
            self.bytes = bytes
        }
    }

    /// The fields that every answer of a second has, and the same as the end of a head.
    struct Ending {
        let fields: HTTPFields
        let bytes: ByteBuffer

        init(_ fields: HTTPFields) {
            var bytes = ByteBuffer()
            bytes.write(fields)
            bytes.writeStaticString("\r\n")
            (self.fields, self.bytes) = (fields, bytes)
        }
    }

    let head: Head
    /// Nil for none.
    let body: Body?
    /// What counts it, beside what counts every answer.
    var counts: [MetricsRegistry.Count] = []
    var requestID = ""
    var ending = Ending([:])

    /// The head as others have it.
    var wholeHead: HTTPResponse {
        var whole = head.response
        whole.headerFields.append(HTTPField(name: .requestID, value: requestID))
        whole.headerFields.append(contentsOf: ending.fields)
        return whole
    }

    /// The same as bytes.
    func headBytes(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        var bytes = allocator.buffer(capacity: 1024)
        bytes.writeImmutableBuffer(head.bytes)
        bytes.write(.requestID, requestID)
        bytes.writeImmutableBuffer(ending.bytes)
        return bytes
    }
}

extension ByteBuffer {
    fileprivate mutating func write(_ fields: HTTPFields) {
        for field in fields { write(field.name, field.value) }
    }

    fileprivate mutating func write(_ name: HTTPField.Name, _ value: String) {
        writeString(name.rawName)
        writeStaticString(": ")
        writeString(value)
        writeStaticString("\r\n")
    }
}
