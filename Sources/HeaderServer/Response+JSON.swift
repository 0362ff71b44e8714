import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// A value as JSON that a cache must ask for again each time.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-cache"],
            body: .init(byteBuffer: ByteBuffer(bytes: try JSON.encode(value))))
    }
}
