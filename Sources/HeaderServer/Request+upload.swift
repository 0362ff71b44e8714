import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders

extension Request {
    /// Streams the body into a staged upload, and holds it against what the request's fields say of it.
    ///
    /// - Parameter stage: starts the upload of so many bytes, if their number is known.
    /// - Returns: the upload, finished, and its SHA-256.
    /// - Throws: `Problem` with `request-malformed`, `upload-incomplete`, `content-digest-mismatch`; what `stage` throws.
    func receive(
        _ stage: (_ expecting: Int?) throws -> StagedUpload
    ) async throws -> (upload: StagedUpload, digest: Digest) {
        // RFC 9110, 14.5: a part must not be taken for the whole.
        guard headers[.contentRange] == nil else {
            throw Problem(
                .requestMalformed, "Uploads in parts are not taken. Send the whole file, without Content-Range.")
        }
        let expected = try headers[.contentDigest].flatMap { try ContentDigest.sha256($0) }
        let length = headers[.contentLength].flatMap { Int($0) }
        let upload = try stage(length)
        for try await buffer in body { try buffer.withUnsafeReadableBytes { try upload.write($0) } }
        guard length == nil || length == upload.length else {
            throw Problem(.uploadIncomplete, "The upload ended before its Content-Length. Send it again.")
        }
        let digest = try upload.finish()
        guard expected == nil || expected == digest else {
            throw Problem(
                .contentDigestMismatch, "What arrived does not have the digest of Content-Digest. Send it again.")
        }
        return (upload, digest)
    }
}
