public import HeaderTransport
public import KernelHeaders

/// What a check-in asks of a server. `HeaderServerClient` does it over HTTP.
public protocol CheckInServer: Sendable {
    /// - Returns: the answer, and who gave it: claims are good there only.
    func report(_ sighting: Sighting) async throws -> (answer: SightingAnswer, from: any CheckInServer)

    /// - Returns: the receipt, and whether the headers were new to the server.
    func upload(
        _ file: UploadFile, headersOf kernel: KernelIdentity, claim: String?, origin: HeaderOrigin?
    ) async throws -> (receipt: IngestReceipt, isNew: Bool)

    /// - Returns: the receipt, and whether the BTF was new to the server.
    func upload(
        _ file: UploadFile, btfOf kernel: KernelIdentity, claim: String?
    ) async throws -> (receipt: BTFReceipt, isNew: Bool)
}

extension HeaderServerClient: CheckInServer {
    public func report(_ sighting: Sighting) async throws -> (answer: SightingAnswer, from: any CheckInServer) {
        let (answer, server): (SightingAnswer, ServerAddress) = try await report(sighting)
        return (answer, only(server))
    }

    public func upload(
        _ file: UploadFile, headersOf kernel: KernelIdentity, claim: String?, origin: HeaderOrigin?
    ) async throws -> (receipt: IngestReceipt, isNew: Bool) {
        try await push(file, as: kernel, source: .agent, origin: origin, claim: claim)
    }

    public func upload(
        _ file: UploadFile, btfOf kernel: KernelIdentity, claim: String?
    ) async throws -> (receipt: BTFReceipt, isNew: Bool) {
        try await pushBTF(file, of: kernel.buildID, claim: claim)
    }
}
