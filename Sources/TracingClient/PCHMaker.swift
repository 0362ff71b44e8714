internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
public import HeaderTransport
internal import KernelHeaders
public import OperatorDocuments
public import PrecompiledHeaders

/// Makes a PCH on this host, for servers that lack the clang for it: they take it from a token of role `builder`, and give it
/// to clients that accept what no server has proved.
public struct PCHMaker: Sendable {
    private let sandbox: Sandbox
    private let folder: ScratchFolder

    /// What is sent: a tar of `pch`, `manifest.json` and `toolchain.json`.
    public struct Parcel: Sendable {
        public let manifest: PCHManifest
        /// Of the tar.
        public let path: String
        let request: PCHRequest
    }

    /// - Parameter folder: empty, of this value's own; the caller removes it.
    /// - Throws: ``PCHUnavailable``.
    public init(in folder: ScratchFolder) async throws {
        do {
            sandbox = try await Sandbox.find()
        } catch let error as SandboxUnavailable {
            throw PCHUnavailable("\(error)")
        }
        self.folder = folder
    }

    /// - Parameters:
    ///   - tree: the folder with the kernel's headers.
    ///   - kernel: as the server that is going to get it has it: the PCH is of its tree.
    /// - Throws: ``PCHUnavailable``; `Problem` as `PCHBuilder` throws it; `SystemCallError`; `CancellationError`.
    public func make(
        _ umbrella: Umbrella, for tool: PCHTool, tree: String, kernel: KernelSummary,
        progress: @escaping @Sendable (PCHBuilder.Step) -> Void = { _ in }
    ) async throws -> Parcel {
        guard let architecture = kernel.identity.architecture else {
            throw PCHUnavailable("The server does not know for which architecture this kernel's headers are.")
        }
        guard let toolchain = await ToolchainRegistry().installed().first(where: { tool.fits($0.toolchain) }) else {
            throw PCHUnavailable("There is no clang here that \(tool.name) could take a PCH of: \(tool.compilerName).")
        }
        let configuration = KernelConfiguration(tree: tree)
        let profile =
            switch tool.profile {
            case .own(let profile, _): profile
            case .bpf: CompilerProfile.bpf(architecture: architecture, configuration: configuration)
            case .host: CompilerProfile.clang(architecture: architecture, configuration: configuration)
            }
        let order = PCHOrder(
            tree: kernel.treeDigest, architecture: architecture, toolchain: toolchain.toolchain, profile: profile,
            umbrella: umbrella)
        let scratch = try ScratchFolder(prefix: "\(folder.path)/build.")
        let output = "\(folder.path)/pch"
        let manifest = try await PCHBuilder(sandbox: sandbox).build(
            order, with: toolchain, tree: tree, scratch: scratch.path, output: output, progress: progress)
        let path = "\(folder.path)/pch.tar"
        try Self.pack(manifest, toolchain.toolchain, pch: output, into: path)
        let request = PCHRequest(
            buildID: kernel.identity.buildID, toolchain: toolchain.toolchain.id,
            profile: tool.profileName(for: architecture), umbrella: umbrella.name)
        return Parcel(manifest: manifest, path: path, request: request)
    }

    private static func pack(
        _ manifest: PCHManifest, _ toolchain: Toolchain, pch: String, into path: String
    ) throws {
        let file = try ScratchFile(prefix: "\(path).")
        defer { close(file.descriptor) }
        let sink = FileSink(borrowing: file.descriptor)
        let tar = TarWriter(sink)
        let documents = [
            ("manifest.json", try JSONEncoder().encode(manifest)),
            ("toolchain.json", try JSONEncoder().encode(toolchain)),
        ]
        for (name, bytes) in documents {
            guard let name = HeaderPath(name) else { continue }
            try tar.addFile(name, size: bytes.count, executable: false)
            try Array(bytes).withUnsafeBytes { try tar.write($0) }
        }
        if let name = HeaderPath("pch") {
            try tar.addFile(name, size: manifest.bytes, executable: false)
            try FileSource(path: pch).drain { try tar.write($0) }
        }
        try tar.finish()
        try sink.finish()
        try file.publish(as: path)
    }

    /// Sends it to the servers, the profile first if they don't have it.
    public func post(
        _ parcel: Parcel, of tool: PCHTool, to client: HeaderServerClient, progress: TransferProgress? = nil
    )
        async throws
    {
        if case .own(let profile, _) = tool.profile { try await client.upload(profile) }
        let file = try await BlockingWork.run { try UploadFile(path: parcel.path, cancellation: $0) }
        try await client.put(file, to: parcel.request.path, mediaType: "application/x-tar", progress: progress)
    }
}
