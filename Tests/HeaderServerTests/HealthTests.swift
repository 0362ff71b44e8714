import Glibc
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

/// Whether requests should come here.
@Suite struct HealthTests {
    @Test func aServerWhoseDiskIsFullIsAliveAndNotReady() async throws {
        let free = Mutex(1 << 30)
        try await withRunningServer(options: { $0.freeBytes = { free.withLock { $0 } } }) { server in
            try await server.upload()
            #expect(try await server.get("/readyz").text == "ok\n")
            // A bundle is derived: its room counts as free.
            #expect(try await server.get("/buildid/\(TestKernels.id)/headers.tar").status == 200)
            free.withLock { $0 = 64 << 20 }
            #expect(try await server.get("/readyz").status == 200)
            free.withLock { $0 = 0 }
            try expect(await server.get("/readyz"), refusesWith: .serverReadOnly)
            #expect(try await server.get("/readyz").status == 503)
            #expect(try await server.get("/livez").status == 200)
            #expect(try await server.get("/v1/kernels").status == 200)
            #expect(try await server.get("/metrics").text.contains("\nkheaderd_read_only 1.0\n"))
            free.withLock { $0 = 1 << 30 }
            #expect(try await server.get("/readyz").status == 200)
        }
    }
}
