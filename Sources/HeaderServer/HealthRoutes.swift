import HTTPTypes
import HeaderStore
import Hummingbird
import KernelHeaders
import NIOCore

/// For those who start and stop the server: is it alive, and is it right to send it requests?
struct HealthRoutes<Context: RequestContext> {
    let store: HeaderStore
    let lifecycle: ServerLifecycle

    func add(to router: Router<Context>) {
        router.get("/livez") { _, _ in Self.text("ok\n") }
        // Ready is who can read the catalogue, has room for what hosts send, and is not about to end.
        router.get("/readyz") { _, _ in
            try lifecycle.requireRunning()
            _ = try await store.kernels(limit: 1)
            guard store.hasRoomForUploads else {
                throw Problem(
                    .serverReadOnly,
                    "The server's disk is full: it serves what it has, and takes nothing. Its operator has to make room."
                )
            }
            return Self.text("ok\n")
        }
    }

    private static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
