import HTTPTypes
import HeaderStore
import Hummingbird
import NIOCore

/// For those who start and stop the server: is it alive, and can it answer?
struct HealthRoutes<Context: RequestContext> {
    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.get("/livez") { _, _ in Self.text("ok\n") }
        // Ready is who can read the catalogue.
        router.get("/readyz") { _, _ in
            _ = try await store.kernels(limit: 1)
            return Self.text("ok\n")
        }
    }

    private static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
