import HeaderStore
import Hummingbird
import KernelHeaders
import OperatorDocuments

/// debuginfod's look-up: which build IDs have a file of this name?
///
/// What this server has of a kernel is called by where the kernel's own host has it: `/lib/modules/RELEASE/build`. `key` is
/// `file` (that name), `glob` (a pattern of it, as SQLite's `GLOB`, which debuginfod has, too) or `buildid`. Kernels without
/// headers are found by their build ID only.
struct MetadataRoutes<Context: RequestContext> {
    /// The most results of an answer; `complete` is false if there are more.
    static var maximumResults: Int { 1000 }

    let store: HeaderStore

    func add(to router: Router<Context>) {
        router.get("/metadata") { request, _ in
            guard let value = try request.label("value") else {
                throw Problem(
                    .parameterMalformed, "Say what to look for: /metadata?key=glob&value=/lib/modules/6.1.*/build")
            }
            switch request.query("key") {
            case "buildid":
                return try Response.json(
                    DebuginfodMetadata(results: try await results(of: try BuildID(checking: value)), complete: true))
            case "file":
                guard let release = Self.release(value) else {
                    return try Response.json(DebuginfodMetadata(results: [], complete: true))
                }
                return try Response.json(
                    answer(try await store.kernels(release: release, limit: Self.maximumResults)))
            case "glob":
                return try Response.json(
                    answer(try await store.kernels(headersFolder: value, limit: Self.maximumResults)))
            default: throw Problem(.parameterMalformed, "key is one of file, glob, buildid.")
            }
        }
    }

    private func results(of id: BuildID) async throws -> [DebuginfodMetadata.Result] {
        let known = try await store.artefacts(of: id)
        var results: [DebuginfodMetadata.Result] = []
        if let kernel = known.kernel { results.append(Self.result(kernel.identity)) }
        if known.hasBTF { results.append(.init(type: "btf", buildid: id, file: "/sys/kernel/btf/vmlinux")) }
        return results
    }

    private func answer(_ list: KernelList) -> DebuginfodMetadata {
        DebuginfodMetadata(results: list.kernels.map { Self.result($0.identity) }, complete: list.next == nil)
    }

    private static func result(_ kernel: KernelIdentity) -> DebuginfodMetadata.Result {
        .init(
            type: "headers", buildid: kernel.buildID, file: kernel.release.map { "/lib/modules/\($0)/build" })
    }

    /// The release in `/lib/modules/RELEASE/build`.
    private static func release(_ file: String) -> String? {
        let parts = file.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "lib", parts[2] == "modules", parts[4] == "build",
            !parts[3].isEmpty
        else { return nil }
        return String(parts[3])
    }
}
