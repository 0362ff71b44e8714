import HeaderServer
import HeaderStore
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import PrecompiledHeaders
import Testing

/// A running server with a kernel, and a compiler that is none.
struct PCHServer: Sendable {
    let server: RunningServer
    let building: FakeBuilding
    let toolchain: Digest

    /// Runs a test's body, once the kernel is there and its smoke compile done.
    static func with<Value>(
        isolation: isolated (any Actor)? = #isolation, in folder: TemporaryFolder? = nil,
        building: FakeBuilding = FakeBuilding(), hasKernel: Bool = true,
        options change: (inout HeaderStore.Options) -> Void = { _ in },
        pch changePCH: (inout PCHOptions) -> Void = { _ in }, _ body: (PCHServer) async throws -> Value
    ) async throws -> Value {
        let toolchain = try await FakeToolchain.id
        var pch = try await PCHOptions.fake(building)
        changePCH(&pch)
        return try await withRunningServer(in: folder, pch: pch, options: change) { running in
            let server = PCHServer(server: running, building: building, toolchain: toolchain)
            if hasKernel { try await server.addKernel() }
            return try await body(server)
        }
    }

    /// Uploads a kernel that is new, and waits for its smoke compile.
    func addKernel(_ tar: [UInt8] = TestKernels.tar, as id: String = TestKernels.id) async throws {
        try await server.upload(tar, as: id)
        try await settle(id)
    }

    /// Waits until a kernel's smoke compile is done.
    func settle(_ id: String = TestKernels.id) async throws {
        for _ in 0..<5000 where try await server.summary(id).smoke?.state != .untried { return }
        throw StoreFlaw(description: "no smoke compile came")
    }

    func path(
        _ umbrella: String = "sched", profile: String = "clang-x86", toolchain: Digest? = nil,
        of id: String = TestKernels.id
    ) -> String {
        "/buildid/\(id)/pch/\(toolchain ?? self.toolchain)/\(profile)/\(umbrella)"
    }

    func get(_ umbrella: String = "sched", profile: String = "clang-x86", _ fields: String...) async throws
        -> HTTPAnswer
    {
        try await server.request("GET", path(umbrella, profile: profile), fields)
    }

    /// Asks until it is there, or refused.
    func ready(_ path: String, _ fields: String...) async throws -> HTTPAnswer {
        for _ in 0..<5000 {
            let answer = try await server.request("GET", path, fields)
            if answer.status != 202 { return answer }
        }
        throw StoreFlaw(description: "\(path) was never ready")
    }

    /// The next thing whose building begins, but for smoke compiles.
    func nextBeginning() async -> String? { await building.beginnings.first { $0 != "smoke" } }

    /// The order of a kernel's PCH as the server sees it.
    func order(
        _ umbrella: Umbrella, toolchain: Toolchain, profile: CompilerProfile? = nil, of id: String = TestKernels.id
    ) async throws -> PCHOrder {
        let kernel = try await server.summary(id)
        let architecture = try #require(kernel.identity.architecture)
        let configuration = KernelConfiguration(
            autoconf: try await server.get("/buildid/\(id)/source/include/generated/autoconf.h").text)
        return PCHOrder(
            tree: kernel.treeDigest, architecture: architecture, toolchain: toolchain,
            profile: profile ?? .clang(architecture: architecture, configuration: configuration), umbrella: umbrella)
    }
}
