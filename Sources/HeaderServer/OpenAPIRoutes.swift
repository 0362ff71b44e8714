import COpenAPI
import HeaderArchive
import Hummingbird

/// The API's own description, as it was when this server was built.
struct OpenAPIRoutes {
    typealias Context = ServerRequestContext

    private static let document: [UInt8] = {
        var count = 0
        let bytes = kheaderd_openapi(&count)
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }()

    func add(to router: Router<Context>) {
        let document = Self.document
        let digest = SHA256Hash.digest(of: document)
        router.get("/openapi.yaml") { request, context in
            try Representation(
                contents: .memory(document), mediaType: "application/yaml", digest: digest, lifetime: .byVersion,
                fileName: "openapi.yaml"
            ).response(to: request, over: context.channel)
        }
    }
}
