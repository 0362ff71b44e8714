internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
public import HeaderTransport
internal import KernelHeaders
public import PrecompiledHeaders

// PCHs, which agents have nothing to do with.
extension HeaderServerClient {
    /// The most bytes taken of a manifest, and of the list of toolchains. A manifest has some 50 kB.
    static let pchDocumentLimit = 16 << 20

    /// What a server says of a PCH.
    public enum PCHState: Sendable {
        case ready(PCHManifest)
        /// It is being made, or will be.
        case underway(PCHProgress)
    }

    /// What PCHs can be made with, and of which headers.
    public func toolchains() async throws -> ToolchainList {
        try await question(APIPath.toolchains) { answer, _ in
            try answer.document(ToolchainList.self, limit: Self.pchDocumentLimit)
        }
    }

    /// What is known of a PCH. That is the beginning of its build if there is none yet.
    public func pch(_ request: PCHRequest) async throws -> PCHState {
        try await question(request.manifestPath) { answer, _ in
            guard answer.status == 202 else {
                let manifest = try answer.document(PCHManifest.self, limit: Self.pchDocumentLimit)
                do {
                    try ManifestCheck.check(manifest, for: request)
                } catch let flaw as ManifestCheck.Flaw {
                    throw TransportError.badAnswer(server: answer.server, what: "a PCH's manifest \(flaw.reason)")
                }
                return .ready(manifest)
            }
            var progress = try answer.document(PCHProgress.self, limit: Self.pchDocumentLimit)
            if let seconds = answer.retryAfter { progress.retryAfter = seconds }
            return .underway(progress)
        }
    }

    /// Brings a PCH's bytes, compressed unless the server is on this host, and held against the manifest's digest.
    ///
    /// - Parameter path: a file that is not there yet; again from the start if the connection breaks.
    func download(
        _ manifest: PCHManifest, of request: PCHRequest, to path: String, progress: TransferProgress? = nil
    ) async throws {
        let fields = isLocal ? [] : [("Accept-Encoding", "zstd")]
        try await question(request.path, fields: fields, isDocument: false, progress: progress) {
            answer, cancellation in
            guard answer.status == 200 else {
                throw TransportError.badAnswer(server: answer.server, what: "\(answer.status) for a PCH that was ready")
            }
            let coding = try answer.field("content-encoding")?.lowercased()
            guard coding == nil || coding == "identity" || coding == "zstd" else {
                throw TransportError.badAnswer(server: answer.server, what: "in a coding that nobody asked for")
            }
            do {
                let source: any ByteSource = coding == "zstd" ? try ZstdSource(answer.body) : answer.body
                let more = TransportError.badAnswer(
                    server: answer.server, what: "more than the \(manifest.bytes) bytes of a PCH")
                let file = try FilledFile(path, from: source, limit: manifest.bytes, excess: more, cancellation)
                guard file.bytes == manifest.bytes, file.digest == manifest.digest else {
                    throw TransportError.digestDiffers(server: answer.server)
                }
            } catch let problem as Problem where problem.code != .diskFull {
                // zstd's.
                throw TransportError.badAnswer(server: answer.server, what: "damaged bytes: \(problem.detail)")
            }
        }
    }

    /// Gives servers a profile that they don't know.
    public func upload(_ profile: CompilerProfile) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try await put(Array(try encoder.encode(profile)), to: APIPath.profile(profile.id))
    }
}
