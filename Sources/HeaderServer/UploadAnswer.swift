import HTTPTypes
import Hummingbird
import NIOCore

/// What an upload is answered that was taken; the same each time when it is asked for again.
struct UploadAnswer: Sendable {
    private let isNew: Bool
    private let location: String
    private let receipt: [UInt8]

    init(isNew: Bool, location: String, receipt: some Encodable) throws {
        self.isNew = isNew
        self.location = location
        self.receipt = try JSON.encode(receipt)
    }

    var response: Response {
        var headers: HTTPFields = [.contentType: "application/json", .cacheControl: "no-cache"]
        if isNew { headers[.location] = location }
        return Response(
            status: isNew ? .created : .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: receipt)))
    }
}
