import HTTPTypes
import KernelHeaders
import RawStructuredFieldValues

/// What a request says of an upload in several requests (draft-ietf-httpbis-resumable-upload, interop version 6); and the
/// whole's digest, by RFC 9530.
struct UploadFields {
    /// Whether the request's body reaches to the end of the upload.
    let isComplete: Bool?
    /// Bytes of the upload before the request's body.
    let offset: Int?
    /// Bytes of the whole upload.
    let length: Int?
    /// Bytes of the request's body.
    let contentLength: Int?
    /// SHA-256 of the whole upload.
    let digest: Digest?
    /// SHA-256 of the request's body.
    let contentDigest: Digest?

    /// - Throws: `Problem` with `request-malformed`.
    init(_ headers: HTTPFields) throws {
        isComplete = try headers[.uploadComplete].map { text in
            guard case .bool(let value) = try? Self.item(text) else {
                throw Problem(.requestMalformed, "\(APIField.uploadComplete) is ?0 or ?1.")
            }
            return value
        }
        offset = try headers[.uploadOffset].map { try Self.number($0, APIField.uploadOffset) }
        length = try headers[.uploadLength].map { try Self.number($0, APIField.uploadLength) }
        contentLength = headers[.contentLength].flatMap { Int($0) }
        digest = try headers[.reprDigest].flatMap { try ContentDigest.sha256($0) }
        contentDigest = try headers[.contentDigest].flatMap { try ContentDigest.sha256($0) }
    }

    private static func number(_ text: String, _ field: String) throws -> Int {
        guard case .integer(let value) = try? item(text), value >= 0 else {
            throw Problem(.requestMalformed, "\(field) is a number of bytes.")
        }
        return Int(value)
    }

    private static func item(_ text: String) throws -> RFC9651BareItem {
        var parser = StructuredFieldValueParser(Array(text.utf8))
        return try parser.parseItemFieldValue().rfc9651BareItem
    }
}
