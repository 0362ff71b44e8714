import HTTPTypes
import Hummingbird
import KernelHeaders
import NIOCore

/// Uploads, whole in one request or in several, as draft-ietf-httpbis-resumable-upload has them: begun by a request to
/// their target with `Upload-Complete: ?0`, then appended to and asked about at a URL of their own.
///
/// A resumption is taken over by a new connection at once: the old one may be half dead, and would hold it until it times
/// out. The draft's interim responses (104) are not sent: proxies drop them, and who begins with an empty body does not
/// need them.
struct UploadRoutes {
    typealias Context = ServerRequestContext

    let sessions: UploadSessions

    func add(to router: Router<Context>) {
        router.head("/v1/uploads/{token}", use: tell)
        router.patch("/v1/uploads/{token}", use: append)
        router.delete("/v1/uploads/{token}") { _, context in
            let token = try context.parameters.require("token")
            _ = try sessions.session(token)
            await sessions.end(token)
            return Response(status: .noContent, headers: [.uploadDraftInterop: APIField.uploadInteropVersion])
        }
    }

    /// Streams a request's body to disk, then has it taken in, and answers when that is durable; or begins an upload in
    /// several requests.
    func take(_ request: Request, _ context: Context, as target: some UploadTarget) async throws -> Response {
        // RFC 9110, 14.5: a part must not be taken for the whole.
        guard request.headers[.contentRange] == nil else {
            throw Problem(
                .requestMalformed,
                "A part is not taken with Content-Range. Send the whole file, or begin with \(APIField.uploadComplete)."
            )
        }
        let fields = try UploadFields(request.headers)
        if fields.isComplete == false { return try await begin(request, context, fields, target) }
        let session = try UploadSession(
            target, length: fields.contentLength, digests: [fields.digest, fields.contentDigest].compactMap(\.self),
            now: sessions.limits.now)
        let turn = try session.begin(at: 0) {}
        for try await buffer in request.body { try session.write(buffer, turn) }
        return try await session.complete(turn, context.logger).value.response
    }

    private func begin(
        _ request: Request, _ context: Context, _ fields: UploadFields, _ target: some UploadTarget
    ) async throws -> Response {
        guard fields.contentLength ?? 0 <= fields.length ?? .max else { throw UploadSession.tooMany }
        let (token, session) = try sessions.begin {
            try UploadSession(
                target, length: fields.length, digests: [fields.digest].compactMap(\.self), now: sessions.limits.now)
        }
        do {
            let turn = try session.begin(at: 0) {}
            for try await buffer in request.body { try session.write(buffer, turn) }
            session.end(turn)
        } catch {
            // Nobody knows its URL.
            await sessions.end(token)
            throw error
        }
        var response = state(.created, of: session)
        response.headers[.location] = APIPath.upload(token)
        return response
    }

    @Sendable private func tell(_ request: Request, _ context: Context) async throws -> Response {
        let session = try sessions.session(try context.parameters.require("token"))
        session.interrupt()
        return state(.noContent, of: session)
    }

    @Sendable private func append(_ request: Request, _ context: Context) async throws -> Response {
        let token = try context.parameters.require("token")
        let session = try sessions.session(token)
        guard request.headers[.contentType]?.lowercased() == APIField.partialUploadType else {
            throw Problem(.uploadTypeUnknown, "A part of an upload has the Content-Type \(APIField.partialUploadType).")
        }
        let fields = try UploadFields(request.headers)
        guard let offset = fields.offset, let isComplete = fields.isComplete else {
            throw Problem(
                .requestMalformed, "A part of an upload has \(APIField.uploadOffset) and \(APIField.uploadComplete).")
        }
        let turn = try session.begin(at: offset) { [channel = context.channel] in channel.close(promise: nil) }
        defer { session.end(turn) }
        // Before the body is sent, if it is waited for with.
        if let left = session.length.map({ $0 - offset }), let count = fields.contentLength {
            guard isComplete ? count == left : count <= left else { throw UploadSession.tooMany }
        }
        for try await buffer in request.body {
            do {
                try session.write(buffer, turn)
            } catch let refusal as Refusal {
                throw refusal
            } catch {
                session.end(turn)
                await sessions.end(token)
                throw error
            }
        }
        guard isComplete else { return state(.noContent, of: session) }
        let answer = try session.complete(turn, context.logger)
        do {
            return try await answer.value.response
        } catch let problem as Problem where problem.status < 500 {
            throw problem
        } catch {
            // Another time it may be taken, and the bytes are gone.
            session.end(turn)
            await sessions.end(token)
            throw error
        }
    }

    private func state(_ status: HTTPResponse.Status, of session: UploadSession) -> Response {
        let progress = session.progress
        var headers: HTTPFields = [
            .uploadComplete: progress.isComplete ? "?1" : "?0", .uploadOffset: "\(progress.offset)",
            .uploadLimit: "max-age=\(sessions.limits.seconds)", .cacheControl: "no-store",
            .uploadDraftInterop: APIField.uploadInteropVersion,
        ]
        if let length = session.length { headers[.uploadLength] = "\(length)" }
        return Response(status: status, headers: headers)
    }
}
