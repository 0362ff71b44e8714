import HTTPTypes
import HeaderStore
import Hummingbird

/// Whom a route is for, beside operators, who may use every one.
enum Audience: Sendable {
    /// Everybody, without a token.
    case everyone
    /// Clients and builders; everybody, on a server with anonymous reads.
    case readers
    /// Clients and builders, with a token of theirs.
    case tracers
    /// Builders.
    case builders
    /// Agents.
    case reporters
    case operators

    func includes(_ role: TokenRole) -> Bool {
        switch role {
        case .operator: true
        case .client: self == .everyone || self == .readers || self == .tracers
        case .builder: self != .reporters && self != .operators
        case .agent: self == .everyone || self == .reporters
        }
    }

    /// Each route's; a route that is missing here is refused to everybody, and AccessTests fails.
    static let ofRoutes: [String: Audience] = [
        "POST /v1/kernels/{buildID}/sightings": .reporters,
        headersUpload: .reporters,
        "PUT /v1/kernels/{buildID}/btf": .reporters,
        "HEAD /v1/uploads/{token}": .reporters,
        "PATCH /v1/uploads/{token}": .reporters,
        "DELETE /v1/uploads/{token}": .reporters,

        "GET /v1/kernels": .readers,
        "GET /v1/kernels/{buildID}": .readers,
        "GET /v1/kernels/{buildID}/hosts": .readers,
        "GET /v1/kernels/{buildID}/conflicts": .readers,
        "GET /v1/conflicts": .readers,
        "GET /v1/coverage": .readers,
        "DELETE /v1/kernels/{buildID}": .operators,
        "POST /v1/retention": .operators,
        "PUT /v1/kernels/{buildID}/pin": .operators,
        "DELETE /v1/kernels/{buildID}/pin": .operators,
        "GET /v1/store": .readers,
        "GET /v1/toolchains": .readers,
        "GET /v1/profiles/{id}": .readers,
        "PUT /v1/profiles/{id}": .tracers,
        "GET /buildid/{buildID}/pch/{toolchain}/{profile}/{umbrella}": .readers,
        "GET /buildid/{buildID}/pch/{toolchain}/{profile}/{umbrella}/manifest.json": .readers,
        "PUT /buildid/{buildID}/pch/{toolchain}/{profile}/{umbrella}": .builders,
        "GET /buildid/{buildID}/headers.tar.zst": .readers,
        "GET /buildid/{buildID}/headers.tar.xz": .readers,
        "GET /buildid/{buildID}/headers.tar.gz": .readers,
        "GET /buildid/{buildID}/headers.tar": .readers,
        "GET /buildid/{buildID}/manifest.json": .readers,
        "GET /buildid/{buildID}/source/**": .readers,
        "GET /buildid/{buildID}/section/{section}": .readers,
        "GET /buildid/{buildID}/debuginfo": .readers,
        "GET /buildid/{buildID}/executable": .readers,
        "GET /trees/{treeDigest}/headers.tar.zst": .readers,
        "GET /trees/{treeDigest}/headers.tar.xz": .readers,
        "GET /trees/{treeDigest}/headers.tar.gz": .readers,
        "GET /trees/{treeDigest}/headers.tar": .readers,
        "GET /trees/{treeDigest}/manifest.json": .readers,
        "GET /trees/{treeDigest}/source/**": .readers,
        "GET /metadata": .readers,
        "GET /metrics": .readers,

        "GET /v1/store/verify": .operators,
        "POST /v1/store/verify": .operators,
        "GET /v1/store/collect": .operators,
        "POST /v1/store/collect": .operators,
        "GET /v1/store/repack": .operators,
        "POST /v1/store/repack": .operators,

        "GET /": .readers,
        "GET /kernels/{buildID}": .readers,
        "GET /coverage": .readers,
        // The style of pages, those that refuse included.
        "GET /assets/{name}": .everyone,

        "GET /openapi.yaml": .everyone,
        "GET /livez": .everyone,
        "GET /readyz": .everyone,
    ]

    /// Here agents may only say that it is an agent's upload: what operators upload outranks theirs.
    static let headersUpload = "PUT /v1/kernels/{buildID}/headers"

    /// - Parameter route: as the router has it, `/v1/kernels/{buildID}`. HEAD is as GET unless it has a route of its own.
    /// - Returns: nil if nobody said.
    static func of(_ method: HTTPRequest.Method, _ route: String) -> Audience? {
        guard let methods = byRoute[route] else { return nil }
        return methods[method.rawValue] ?? (method == .head ? methods["GET"] : nil)
    }

    /// By route, then by method: no text has to be put together for each request.
    private static let byRoute = ofRoutes.reduce(into: [String: [String: Audience]]()) { all, entry in
        let words = entry.key.split(separator: " ")
        all[String(words[1]), default: [:]][String(words[0])] = entry.value
    }
}
