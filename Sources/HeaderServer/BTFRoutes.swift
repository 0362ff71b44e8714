import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders

/// A kernel's BTF: its upload, and the section that debuginfod's clients ask for; and what else they ask for, which this
/// server has not got.
///
/// Never 503: debuginfod's client takes it for "no sections here", and downloads whole files to cut the section out.
struct BTFRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore
    let uploads: UploadRoutes

    func add(to router: Router<Context>) {
        router.put("/v1/kernels/{buildID}/btf") { request, context in
            try await uploads.take(request, context, as: try BTFUpload(request, context, to: store))
        }
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
        return try Representation.btf(btf).response(to: request, over: context.channel)
    }
}
