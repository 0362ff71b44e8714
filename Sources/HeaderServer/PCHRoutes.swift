import FoundationEssentials
import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import NIOCore
import OperatorDocuments
import PrecompiledHeaders

/// A kernel's PCHs: made when they are asked for, or sent by a builder.
struct PCHRoutes {
    typealias Context = ServerRequestContext

    private static let path = "/buildid/{buildID}/pch/{toolchain}/{profile}/{umbrella}"
    /// What a builder's tar has beside the PCH.
    private static let documentBytes = 8 << 20

    let store: HeaderStore
    let service: PCHService
    /// Bytes that a PCH may have.
    let limit: Int

    func add(to router: Router<Context>) {
        router.get("\(Self.path)", use: get)
        router.get("\(Self.path)/manifest.json", use: manifest)
        router.put("\(Self.path)", use: put)
    }

    @Sendable private func get(_ request: Request, _ context: Context) async throws -> Response {
        let wanted = try await wanted(context)
        switch try await service.answer(wanted, acceptsBuilders: try acceptsBuilders(request)) {
        case .waiting(let key, let progress): return try waiting(key, progress)
        case .ready(let key, let pch):
            let isCompressed = ContentCodings(request.headers[.acceptEncoding]).accepts("zstd")
            let file = isCompressed ? pch.compressed : pch.file
            var fields = fields(key)
            fields[.vary] = "Accept-Encoding"
            if isCompressed { fields[.contentEncoding] = "zstd" }
            return try Representation(
                contents: .file(file), mediaType: "application/octet-stream", digest: file.digest, lifetime: .byBuildID,
                fileName: "\(wanted.umbrella).pch", tree: wanted.tree, fields: fields
            ).response(to: request, over: context.channel)
        }
    }

    @Sendable private func manifest(_ request: Request, _ context: Context) async throws -> Response {
        let wanted = try await wanted(context)
        switch try await service.answer(wanted, acceptsBuilders: try acceptsBuilders(request)) {
        case .waiting(let key, let progress): return try waiting(key, progress)
        case .ready(let key, _):
            guard let document = try await store.pchDocument(key) else {
                // It is just being put on record, or has just given way to another.
                return try waiting(
                    key,
                    PCHProgress(state: .queued, position: 0, step: nil, stepNumber: 0, steps: 0, retryAfter: 1))
            }
            let bytes = Array(document.utf8)
            return try Representation(
                contents: .memory(bytes), mediaType: "application/json", digest: SHA256Hash.digest(of: bytes),
                lifetime: .byBuildID, fileName: "manifest.json", tree: wanted.tree, fields: fields(key)
            ).response(to: request, over: context.channel)
        }
    }

    private func fields(_ key: KernelHeaders.Digest) -> HTTPFields { [.pchKey: "\(key)"] }

    private func waiting(_ key: KernelHeaders.Digest, _ progress: PCHProgress) throws -> Response {
        var response = try Response.json(progress, status: .accepted)
        response.headers[.cacheControl] = "no-store"
        response.headers[.retryAfter] = "\(progress.retryAfter)"
        response.headers[.pchKey] = "\(key)"
        return response
    }

    private func acceptsBuilders(_ request: Request) throws -> Bool {
        switch request.query("rank") {
        case nil, "", "server": return false
        case "builder": return true
        default: throw Problem(.parameterMalformed, "rank is server, or builder to take what no server has proved.")
        }
    }

    /// - Throws: `Problem` with `build-id-malformed`, `digest-malformed`, `kernel-unknown` or `kernel-has-no-headers`.
    private func wanted(_ context: Context) async throws -> PCHRequest {
        let id = try context.buildID()
        let toolchain = try context.digest("toolchain", "A toolchain's ID")
        let kernel = try await store.kernel(id)
        return PCHRequest(
            tree: kernel.treeDigest, architecture: kernel.identity.architecture, toolchain: toolchain,
            profile: try context.decoded("profile"), umbrella: try context.decoded("umbrella"))
    }

    /// What a builder made with a clang that the server does not have.
    @Sendable private func put(_ request: Request, _ context: Context) async throws -> Response {
        let wanted = try await wanted(context)
        try await service.requireForeign(wanted.toolchain)
        let upload = try await receive(request)
        defer { upload.discard() }
        let folder = try store.makeStagingFolder("upload", reserving: upload.length)
        defer { folder.remove() }
        let (manifest, isNew) = try await service.take(
            try PCHUpload(try upload.source(), into: folder, limit: limit), as: wanted)
        context.logger.info(
            isNew ? "PCH of a builder stored" : "PCH of a builder known",
            metadata: ["key": "\(manifest.key)", "tree": "\(manifest.treeDigest)", "bytes": "\(manifest.bytes)"])
        var response = try Response.json(manifest, status: isNew ? .created : .ok)
        response.headers[.pchKey] = "\(manifest.key)"
        if isNew { response.headers[.location] = "\(request.uri.path)?rank=builder" }
        return response
    }

    private func receive(_ request: Request) async throws -> StagedUpload {
        let fields = try UploadFields(request.headers)
        guard fields.isComplete != false, request.headers[.contentRange] == nil else {
            throw Problem(.requestMalformed, "A PCH is sent whole, in one request.")
        }
        let upload = try store.stagePCH(expecting: fields.contentLength, limit: limit + Self.documentBytes)
        do {
            for try await buffer in request.body { try buffer.withUnsafeReadableBytes { try upload.write($0) } }
            let digest = try upload.finish()
            for expected in [fields.digest, fields.contentDigest].compactMap(\.self) where expected != digest {
                throw Problem(
                    .contentDigestMismatch, "What arrived has the SHA-256 \(digest), not \(expected). Send it again.")
            }
            return upload
        } catch {
            upload.discard()
            throw error
        }
    }
}
