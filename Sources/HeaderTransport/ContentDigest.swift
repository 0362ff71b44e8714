internal import FoundationEssentials
internal import KernelHeaders

/// The value of a `Content-Digest` field (RFC 9530): a dictionary of structured fields with one byte sequence.
enum ContentDigest {
    static let fieldName = "Content-Digest"

    static func field(_ digest: KernelHeaders.Digest) -> String {
        "sha-256=:\(Data(digest.bytes).base64EncodedString()):"
    }
}
