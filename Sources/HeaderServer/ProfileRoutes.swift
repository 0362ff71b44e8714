import FoundationEssentials
import HTTPTypes
import HeaderArchive
import HeaderStore
import Hummingbird
import KernelHeaders
import Logging
import NIOCore
import PrecompiledHeaders

/// Clients' own flags and headers: a client whose bcc the server does not have sends that bcc's.
struct ProfileRoutes {
    typealias Context = ServerRequestContext

    let store: HeaderStore
    let service: PCHService

    func add(to router: Router<Context>) {
        router.put("/v1/profiles/{id}", use: put)
        router.get("/v1/profiles/{id}") { request, context in
            let id = try context.digest("id", "A profile's ID")
            let bytes = Array(try await service.profile(id).utf8)
            return try Representation(
                contents: .memory(bytes), mediaType: "application/json", digest: SHA256Hash.digest(of: bytes),
                lifetime: .byDigest, fileName: "profile.json"
            ).response(to: request, over: context.channel)
        }
    }

    @Sendable private func put(_ request: Request, _ context: Context) async throws -> Response {
        let id = try context.digest("id", "A profile's ID")
        let fields = try UploadFields(request.headers)
        let bytes = try await receive(request)
        for expected in [fields.digest, fields.contentDigest].compactMap(\.self)
        where expected != SHA256Hash.digest(of: bytes) {
            throw Problem(.contentDigestMismatch, "What arrived has not the SHA-256 \(expected). Send it again.")
        }
        let profile: CompilerProfile
        do {
            profile = try JSONDecoder().decode(CompilerProfile.self, from: Data(bytes))
        } catch is DecodingError {
            throw Problem(
                .profileMalformed, "A profile is JSON with name, flags, headers, prologue and isFoundByName.")
        }
        try profile.check()
        guard profile.id == id else {
            throw Problem(.profileMalformed, "This profile's ID is \(profile.id), not the one of the URL.")
        }
        // What the store keeps has one form, whatever the client's JSON looked like.
        let document = String(decoding: try JSON.encode(profile), as: UTF8.self)
        let isNew = try await store.putProfile(document, id: id)
        if isNew { context.logger.info("profile stored", metadata: ["id": "\(id)", "name": "\(profile.name)"]) }
        var response = try Response.json(
            ToolchainList.Profile(name: profile.name, id: id), status: isNew ? .created : .ok)
        if isNew { response.headers[.location] = APIPath.profile(id) }
        return response
    }

    private func receive(_ request: Request) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await buffer in request.body {
            guard bytes.count + buffer.readableBytes <= CompilerProfile.limit else {
                throw Problem(.profileTooLarge, "A profile has at most \(CompilerProfile.limit) bytes.")
            }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return bytes
    }
}
