import HTTPTypes
import HeaderStore
import NIOCore

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
}
