import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

/// What the tests of this folder upload.
enum TestKernels {
    static let id = "0123456789abcdef0123456789abcdef01234567"
    static let otherID = "89abcdef0123456789abcdef0123456789abcdef"
    static let kernel = SmallKernel(hasLargeFile: false)
    static let tar = kernel.tar
    /// The next build of the same kernel: nearly the same files.
    static let nextBuild = SmallKernel(revision: 2, hasLargeFile: false)

    /// A tar of one header, to whose tree anything may be added.
    static func tar(_ add: (inout TarForge) -> Void = { _ in }) -> [UInt8] {
        var forge = TarForge()
        forge.addFile("include/linux/kconfig.h", "#define A 1\n")
        add(&forge)
        return forge.finished()
    }
}

extension RunningServer {
    /// Uploads a tar that the server must take as new.
    @discardableResult
    func upload(
        _ tar: [UInt8] = TestKernels.tar, as id: String = TestKernels.id, query: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> IngestReceipt {
        let answer = try await put("/v1/kernels/\(id)/headers\(query)", tar)
        try #require(answer.status == 201, "\(answer.text)", sourceLocation: sourceLocation)
        return try answer.decoded()
    }

    /// The kernel as the server lists it.
    func summary(_ id: String = TestKernels.id) async throws -> KernelSummary {
        try await get("/v1/kernels/\(id)").decoded()
    }

    /// Everything that a store keeps, but for the times of sightings and the catalogue's own bytes.
    func snapshot() async throws -> StoreSnapshot {
        var status: StoreStatus = try await get("/v1/store").decoded()
        status.catalogueBytes = 0
        // Others use the disk, too.
        (status.diskFreeBytes, status.isReadOnly) = (nil, nil)
        let folders = ["packs", "btf", "bundles", "pch", "staging"].map { folder.names(in: "store/\($0)") }
        var kernels: KernelList = try await get("/v1/kernels").decoded()
        for index in kernels.kernels.indices { kernels.kernels[index].lastSeen = 0 }
        return StoreSnapshot(status: status, folders: folders, kernels: kernels)
    }
}

struct StoreSnapshot: Equatable {
    var status: StoreStatus
    var folders: [[String]]
    var kernels: KernelList
}

/// Expects a refusal as all of them are: the status that goes with the code, a problem document, the request's ID in it.
func expect(
    _ answer: HTTPAnswer, refusesWith code: ProblemCode, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let problem = try #require(try answer.problem, "\(answer.status) \(answer.text)", sourceLocation: sourceLocation)
    #expect(problem.code == code, "\(problem)", sourceLocation: sourceLocation)
    #expect(answer.status == code.status, sourceLocation: sourceLocation)
    #expect(problem.status == code.status, sourceLocation: sourceLocation)
    #expect(problem.title == code.title, sourceLocation: sourceLocation)
    #expect(problem.type == "about:blank", sourceLocation: sourceLocation)
    #expect(problem.detail.hasSuffix(".") || problem.detail.count > 20, sourceLocation: sourceLocation)
    #expect(problem.requestID == answer["X-Request-ID"], sourceLocation: sourceLocation)
    #expect(problem.requestID != nil, sourceLocation: sourceLocation)
    #expect(answer["Cache-Control"] == "no-store", sourceLocation: sourceLocation)
}

extension HTTPAnswer {
    /// SHA-256 of the body.
    var digest: KernelHeaders.Digest { SHA256Hash.digest(of: body) }

    /// The fields that do not differ from one request to the next.
    var lastingFields: [String] {
        fields.filter { !["Date", "X-Request-ID"].contains($0.name) }.map { "\($0.name): \($0.value)" }
    }
}
