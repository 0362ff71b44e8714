import HTTPTypes
import NIOCore

/// An answer that is there at once, as it goes to the connection.
struct PromptAnswer {
    var head: HTTPResponse
    /// Nil for none.
    var body: ByteBuffer?
}
