internal import CCurl
internal import Glibc
internal import KernelHeaders

/// Whether a server would take this host's sightings.
public struct ServerProbe: Sendable, Equatable {
    /// As it was named.
    public let server: String
    /// Whether it would.
    public let isUsable: Bool
    /// Why, or why not, in a sentence.
    public let detail: String
    /// By how many seconds this host's clock is ahead of the server's; nil if it does not say what time it is.
    public let clockAhead: Int?
}

extension HeaderServerClient {
    /// Asks each of the servers, all at once, and once.
    ///
    /// The question is an empty sighting: a server looks at who asks first, and then says what it lacks. Nothing is noted.
    ///
    /// - Returns: in the servers' order.
    public func probe() async -> [ServerProbe] {
        await withTaskGroup(of: (Int, ServerProbe).self) { group in
            for (index, server) in servers.enumerated() { group.addTask { (index, await probe(server)) } }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func probe(_ server: ServerAddress) async -> ServerProbe {
        // Any build ID: it is not looked at.
        guard let id = BuildID("00") else { preconditionFailure("a byte is a build ID") }
        var request = CurlRequest(
            method: .post, path: APIPath.sightings(id), fields: [("Content-Type", "application/json")],
            body: .document(Array("{}".utf8)), seconds: timeouts.document)
        request.token = token
        do {
            return try await BlockingWork.run { [request] cancellation in
                let transfer = try CurlTransfer(
                    request, to: server, over: self.connections, userAgent: self.userAgent, timeouts: self.timeouts,
                    cancellation: cancellation)
                let head = try transfer.head()
                let refusal = ServerRefusal(
                    status: head.status, mediaType: head.mediaType,
                    body: try Self.body(of: transfer, limit: Self.refusalLimit, server), server: "\(server)")
                let isUsable = refusal.problemCode == .sightingMalformed
                return ServerProbe(
                    server: "\(server)", isUsable: isUsable,
                    detail: isUsable ? "answers, and takes sightings" : "\(refusal)",
                    clockAhead: head["date"].flatMap { Self.seconds($0) }.map { time(nil) - $0 })
            }
        } catch let error as TransportError {
            return ServerProbe(server: "\(server)", isUsable: false, detail: error.reason, clockAhead: nil)
        } catch {
            return ServerProbe(server: "\(server)", isUsable: false, detail: "\(error)", clockAhead: nil)
        }
    }

    /// An HTTP date (RFC 9110, section 5.6.7) as seconds since 1970; nil if it is none.
    static func seconds(_ date: String) -> Int? {
        let seconds = curl_getdate(date, nil)
        return seconds < 0 ? nil : Int(seconds)
    }
}
