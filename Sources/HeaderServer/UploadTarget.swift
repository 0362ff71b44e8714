import HeaderStore
import KernelHeaders
import Logging

/// What an upload is of: where its bytes go, and what becomes of them when they are all there.
protocol UploadTarget: Sendable {
    /// Leave to upload, got before the first byte arrives. Let go of, it ends a claim.
    var permit: UploadPermit { get }

    /// - Parameter expecting: its bytes, if the sender said so.
    /// - Throws: `Problem` with `upload-too-large` or `disk-full`.
    func stage(expecting: Int?) throws -> StagedUpload

    /// Takes a finished upload in; when this returns, it is durable.
    ///
    /// - Throws: `Problem`, if it is refused.
    func takeIn(_ upload: StagedUpload, digest: Digest, _ logger: Logger) async throws -> UploadAnswer
}
