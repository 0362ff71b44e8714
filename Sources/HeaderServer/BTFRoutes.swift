import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging

/// A kernel's BTF: its upload, and the section that debuginfod's clients ask for; and what else they ask for, which this
/// server has not got.
///
/// Never 503: debuginfod's client takes it for "no sections here", and downloads whole files to cut the section out.
struct BTFRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.put("/v1/kernels/{buildID}/btf", use: upload)
        router.get("/buildid/{buildID}/section/{section}", use: section)
        for artifact in ["debuginfo", "executable"] {
            router.get("/buildid/{buildID}/\(artifact)") { _, context -> Response in
                let id = try context.buildID()
                throw Problem(
                    .artifactUnknown,
                    "This server has headers and BTF, and no \(artifact) of build ID \(id). A debuginfod of its distribution may."
                )
            }
        }
    }

    /// Streams the body to disk, then takes it in. The answer is sent when the BTF is durable.
    @Sendable private func upload(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        let (upload, digest) = try await request.receive { try store.stageBTF(expecting: $0) }
        let (receipt, isNew) = try await store.ingestBTF(upload, digest: digest, buildID: id)
        context.logger.info(
            isNew ? "BTF stored" : "BTF known",
            metadata: ["buildID": "\(id)", "bytes": "\(receipt.bytes)", "storedBytes": "\(receipt.storedBytes)"])
        var response = try Response.json(receipt, status: isNew ? .created : .ok)
        if isNew { response.headers[.location] = APIPath.btfSection(id) }
        return response
    }

    @Sendable private func section(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.buildID()
        let name = try context.parameters.require("section")
        guard let btf = try await store.btf(of: id) else {
            throw Problem(
                .sectionUnknown,
                "This server has no BTF of build ID \(id). Push it with: kheader push --btf FILE --build-id \(id)")
        }
        guard APIPath.percentDecoded(name).map({ String(decoding: $0, as: UTF8.self) }) == APIPath.btfSectionName else {
            throw Problem(.sectionUnknown, "Of a kernel's sections this server has \(APIPath.btfSectionName) only.")
        }
        return try Representation(
            contents: .memory(btf.bytes), mediaType: "application/octet-stream", digest: btf.digest,
            lifetime: .byBuildID, fileName: "vmlinux"
        ).response(to: request, over: context.channel)
    }
}
