import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import Tracing

/// An upload of a kernel's headers.
struct HeadersUpload: UploadTarget {
    private let store: HeaderStore
    private let identity: KernelIdentity
    private let source: HeaderSource
    private let origin: HeaderOrigin?
    private let pch: PCHService
    let permit: UploadPermit

    /// - Throws: `Problem` with `build-id-malformed`, `parameter-malformed` or `claim-stale`.
    init(
        _ request: Request, _ context: some RequestContext, to store: HeaderStore, pch: PCHService
    ) throws {
        self.store = store
        self.pch = pch
        identity = KernelIdentity(
            buildID: try context.buildID(), release: try request.label("release"),
            versionLine: try request.label("versionLine"),
            architecture: try request.label("architecture").map { Architecture(machine: $0) },
            hasBTF: try request.boolean("hasBTF"))
        source = try Self.source(request)
        origin = try Self.origin(request)
        permit = try store.beginUpload(of: .headers, kernel: identity.buildID, claim: request.headers[.claim])
    }

    private static func source(_ request: Request) throws -> HeaderSource {
        guard let text = request.query("source"), !text.isEmpty else { return .push }
        guard let source = HeaderSource.uploadable.first(where: { $0.rawValue == text }) else {
            let all = HeaderSource.uploadable.map(\.rawValue).joined(separator: ", ")
            throw Problem(.parameterMalformed, "source is one of \(all).")
        }
        return source
    }

    private static func origin(_ request: Request) throws -> HeaderOrigin? {
        guard let text = request.query("origin"), !text.isEmpty else { return nil }
        guard let origin = HeaderOrigin(rawValue: text) else {
            let all = HeaderOrigin.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(.parameterMalformed, "origin is one of \(all).")
        }
        return origin
    }

    func stage(expecting: Int?) throws -> StagedUpload { try store.stageUpload(expecting: expecting) }

    func takeIn(_ upload: StagedUpload, digest: Digest, _ logger: Logger) async throws -> UploadAnswer {
        let (receipt, isNew) = try await withSpan("ingest headers") { span in
            span.attributes["kheaderd.build_id"] = "\(identity.buildID)"
            return try await store.ingest(
                upload, digest: digest, identity: identity, source: source, origin: origin, permit: permit)
        }
        if isNew { await pch.headersArrived() }
        logger.info(
            isNew ? "headers stored" : "headers known",
            metadata: [
                "buildID": "\(identity.buildID)", "tree": "\(receipt.treeDigest)", "newBlobs": "\(receipt.newBlobs)",
                "storedBytes": "\(receipt.storedBytes)",
            ])
        return try UploadAnswer(isNew: isNew, location: APIPath.kernel(identity.buildID), receipt: receipt)
    }
}
