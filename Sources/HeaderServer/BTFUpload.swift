import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import Tracing

/// An upload of a kernel's BTF.
struct BTFUpload: UploadTarget {
    private let store: HeaderStore
    private let id: BuildID
    let permit: UploadPermit

    /// - Throws: `Problem` with `build-id-malformed` or `claim-stale`.
    init(_ request: Request, _ context: some RequestContext, to store: HeaderStore) throws {
        self.store = store
        id = try context.buildID()
        permit = try store.beginUpload(of: .btf, kernel: id, claim: request.headers[.claim])
    }

    func stage(expecting: Int?) throws -> StagedUpload { try store.stageBTF(expecting: expecting) }

    func takeIn(_ upload: StagedUpload, digest: Digest, _ logger: Logger) async throws -> UploadAnswer {
        let (receipt, isNew) = try await withSpan("ingest BTF") { span in
            span.attributes["kheaderd.build_id"] = "\(id)"
            return try await store.ingestBTF(upload, digest: digest, buildID: id, permit: permit)
        }
        logger.info(
            isNew ? "BTF stored" : "BTF known",
            metadata: ["buildID": "\(id)", "bytes": "\(receipt.bytes)", "storedBytes": "\(receipt.storedBytes)"])
        return try UploadAnswer(isNew: isNew, location: APIPath.btfSection(id), receipt: receipt)
    }
}
