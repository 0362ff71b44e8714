import FoundationEssentials
import KernelHeaders
import RawStructuredFieldValues

/// The `Content-Digest` header (RFC 9530): a structured dictionary of algorithms and byte sequences.
enum ContentDigest {
    /// The SHA-256 in the header, or nil if it has none: other algorithms are not checked.
    ///
    /// - Throws: `Problem` with `request-malformed` if the header is not what the RFC says.
    static func sha256(_ field: String) throws -> Digest? {
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard let dictionary = try? parser.parseDictionaryFieldValue() else { throw malformed }
        guard let member = dictionary["sha-256"] else { return nil }
        guard case .item(let item) = member, case .undecodedByteSequence(let text) = item.rfc9651BareItem,
            let bytes = Data(base64Encoded: text), let digest = Digest(bytes: bytes)
        else { throw malformed }
        return digest
    }

    private static var malformed: Problem {
        Problem(.requestMalformed, "The Content-Digest header is malformed. It looks like: sha-256=:BASE64:")
    }
}

extension Digest {
    /// As RFC 9530's headers have it, between the colons.
    var base64: String { Data(bytes).base64EncodedString() }
}
