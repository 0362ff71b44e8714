internal import FoundationEssentials
internal import KernelHeaders

/// The value of a `Content-Digest` or `Repr-Digest` field (RFC 9530): a dictionary of structured fields with a byte
/// sequence for each algorithm.
enum ContentDigest {
    static let fieldName = "Content-Digest"
    /// As responses have it, in lower case.
    static let representation = "repr-digest"

    static func field(_ digest: KernelHeaders.Digest) -> String {
        "sha-256=:\(Data(digest.bytes).base64EncodedString()):"
    }

    /// The SHA-256 of a field; nil if it has none.
    static func sha256(_ field: String) -> KernelHeaders.Digest? {
        for member in field.split(separator: ",") {
            let parts = member.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\t" } }
            guard parts.count == 2, parts[0] == "sha-256", parts[1].count > 2, parts[1].first == ":",
                parts[1].last == ":", let bytes = Data(base64Encoded: String(parts[1].dropFirst().dropLast()))
            else { continue }
            return KernelHeaders.Digest(bytes: bytes)
        }
        return nil
    }
}
