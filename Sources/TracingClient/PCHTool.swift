internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders
public import PrecompiledHeaders

/// A tool that a PCH is wanted for: with which clang it compiles, and as what.
public struct PCHTool: Sendable {
    /// What tells one clang from another.
    enum Compiler: Sendable {
        case exact(Toolchain)
        /// One that is a library only: the version of its package is that of the program out of the same source.
        case package(String, major: Int?)
    }

    /// What it compiles as.
    enum Profile: Sendable {
        /// The tool's own, which servers need not know; with its ID, for which all of its headers are hashed.
        case own(CompilerProfile, Digest)
        /// A name; what it stands for depends on the kernel.
        case bpf
        case host
    }

    /// For messages: `bcc 0.26.0`.
    public let name: String
    let compiler: Compiler
    let profile: Profile

    /// The bcc of this host.
    ///
    /// - Parameters:
    ///   - root: where the host's `/` is.
    ///   - cache: remembers what there is, until a library is another.
    /// - Throws: ``PCHUnavailable``.
    public static func bcc(root: String = "/", remembering cache: HeaderCache? = nil) async throws -> PCHTool {
        guard let (path, version) = BCCLibrary.locate(root: root) else {
            throw PCHUnavailable("bcc is not found here: no folder of libraries has a libbcc.so.")
        }
        // Before the library is read, so that one that changes meanwhile is read again.
        let identity = FileIdentity(path)
        if let identity, let record = cache?.bccRecord(), record.bccVersion == version,
            record.isOf(identity, root: root)
        {
            return PCHTool(
                bcc: version, record.compilerLibrary, package: record.package, record.profile, record.profileID)
        }
        do {
            let library = try BCCLibrary(path: path, version: version, root: root)
            let tool = try await bcc(library)
            if let cache, let identity, case .package(let package, _) = tool.compiler,
                case .own(_, let id) = tool.profile,
                let record = BCCRecord(library, identity, package: package, profileID: id, bootID: cache.bootID)
            {
                cache.remember(record)
            }
            return tool
        } catch let error as BCCLibrary.Unusable {
            throw PCHUnavailable("\(error)")
        }
    }

    private init(
        bcc version: String, _ compilerLibrary: String, package: String, _ profile: CompilerProfile, _ id: Digest
    ) {
        self.init(
            name: "bcc \(version)", compiler: .package(package, major: BCCLibrary.clangMajor(compilerLibrary)),
            profile: .own(profile, id))
    }

    init(name: String, compiler: Compiler, profile: Profile) {
        self.name = name
        self.compiler = compiler
        self.profile = profile
    }

    /// - Throws: ``PCHUnavailable``.
    public static func bcc(_ library: BCCLibrary) async throws -> PCHTool {
        guard let package = await library.clangPackage() else {
            throw PCHUnavailable(
                "bcc compiles with \(library.compilerLibrary), and no package manager says which build of clang that is."
            )
        }
        return PCHTool(
            bcc: library.version, library.compilerLibrary, package: package, library.profile, library.profile.id)
    }

    /// A clang of this host.
    ///
    /// - Parameters:
    ///   - program: a path.
    ///   - targetsBPF: whether it is told to compile for BPF.
    /// - Throws: ``PCHUnavailable``.
    public static func clang(_ program: String, targetsBPF: Bool = false) async throws -> PCHTool {
        guard let toolchain = await Toolchain.ofProgram(program) else {
            throw PCHUnavailable("\(program) does not say which clang it is.")
        }
        return PCHTool(name: toolchain.version, compiler: .exact(toolchain), profile: targetsBPF ? .bpf : .host)
    }

    /// Whether the tool tells its clang to include `kconfig.h` first, so that it finds a PCH beside.
    var isFoundByName: Bool {
        if case .own(let profile, _) = profile { profile.isFoundByName } else { false }
    }

    /// The tool's own headers, by the names by which programs include them.
    public var ownHeaders: [String: String] {
        guard case .own(let profile, _) = profile else { return [:] }
        let folders = ["/virtual/include/", "/virtual/lib/clang/include/"]
        return Dictionary(
            profile.headers.compactMap { path, text in
                folders.first { path.hasPrefix($0) }.map { (String(path.dropFirst($0.count)), text) }
            }
        ) { one, _ in one }
    }

    // MARK: Fitting

    /// What is in the record of each PCH that fits, and of few others: the digest of its profile, or of its clang.
    var mark: String? {
        switch (profile, compiler) {
        case (.own(_, let id), _): "\(id)"
        case (_, .exact(let toolchain)): "\(toolchain.id)"
        case (_, .package): nil
        }
    }

    /// Whether a clang makes PCHs that the tool's takes.
    func fits(_ toolchain: Toolchain) -> Bool {
        switch compiler {
        case .exact(let own): toolchain.id == own.id
        case .package(let package, let major):
            toolchain.package == package && (major == nil || toolchain.major == major)
        }
    }

    /// Whether a PCH was made for what the tool compiles as.
    func fits(_ manifest: PCHManifest) -> Bool {
        switch profile {
        case .own(_, let id): manifest.profile == id
        case .bpf: manifest.profileName == "bpf"
        case .host: manifest.profileName.hasPrefix("clang-")
        }
    }

    /// What a server is asked for.
    func profileName(for architecture: Architecture) -> String {
        switch profile {
        case .own(_, let id): "\(id)"
        case .bpf: "bpf"
        case .host: "clang-\(architecture.sourceFolder)"
        }
    }

    /// For messages.
    var compilerName: String {
        switch compiler {
        case .exact(let toolchain): "\(toolchain.version)\(toolchain.package.map { " (\($0))" } ?? "")"
        case .package(let package, let major):
            "clang \(major.map { "\($0) " } ?? "")(\(package)), which \(name) compiles with"
        }
    }
}
