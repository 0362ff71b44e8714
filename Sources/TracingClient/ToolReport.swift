internal import HeaderTransport
public import KernelHeaders
internal import PrecompiledHeaders

/// What `kheader doctor` found: why tools find a kernel's headers or not, and what `kheader exec` would change.
public struct ToolReport: Sendable, Encodable {
    /// A place that was asked for the headers.
    public struct Place: Sendable, Encodable {
        public let name: String
        public let hasHeaders: Bool
        /// False for a cache that nothing can be put into, nor taken out of.
        public let isUsable: Bool
        /// In a few words.
        public let state: String

        public init(_ name: String, hasHeaders: Bool, isUsable: Bool = true, _ state: String) {
            self.name = name
            self.hasHeaders = hasHeaders
            self.isUsable = isUsable
            self.state = state
        }
    }

    /// The kernel in question; nil if the running one could not be told.
    public let kernel: KernelIdentity?
    public let isRunning: Bool
    /// Why the running kernel could not be told.
    public let problem: String?
    public let survey: ToolSurvey
    public let tools: [ToolInstallation]
    public let cache: Place
    public let servers: [Place]
    /// Of the tools that can use a PCH.
    public let precompiled: [PCHVerdict]

    public init(
        kernel: KernelIdentity?, isRunning: Bool, problem: String?, survey: ToolSurvey, tools: [ToolInstallation],
        cache: Place, servers: [Place], precompiled: [PCHVerdict] = []
    ) {
        self.kernel = kernel
        self.isRunning = isRunning
        self.problem = problem
        self.survey = survey
        self.tools = tools
        self.cache = cache
        self.servers = servers
        self.precompiled = precompiled
    }

    /// Where `kheader exec` would have the headers from: the first place of its order; nil if there is none.
    public var source: String? {
        guard cache.isUsable else { return nil }
        if cache.hasHeaders { return "the cache" }
        if let server = servers.first(where: \.hasHeaders) { return server.name }
        guard kernel != nil, isRunning else { return nil }
        if survey.archive == .present { return "the kernel's own archive" }
        guard case .complete(let release) = survey.modules.state, release == survey.release else { return nil }
        return survey.modules.build
    }

    public var verdicts: [ToolVerdict] {
        TracingTool.allCases.map {
            ToolVerdict($0, survey, of: isRunning ? nil : kernel?.buildID, source: source, hasCache: cache.isUsable)
        }
    }

    // MARK: For programs

    private enum CodingKeys: String, CodingKey {
        case kernel, isRunning, problem, runningRelease, hasBTF, ownArchive, modulesBuild, modulesSource, bccCopy,
            environment, tools, cache, servers, precompiled, verdicts
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(kernel, forKey: .kernel)
        try values.encode(isRunning, forKey: .isRunning)
        try values.encodeIfPresent(problem, forKey: .problem)
        try values.encodeIfPresent(survey.release, forKey: .runningRelease)
        try values.encode(survey.hasBTF, forKey: .hasBTF)
        try values.encode(survey.archive, forKey: .ownArchive)
        try values.encode("\(survey.build)", forKey: .modulesBuild)
        try values.encode("\(survey.source)", forKey: .modulesSource)
        try values.encode("\(survey.bccCopy.state)", forKey: .bccCopy)
        try values.encode(survey.variables, forKey: .environment)
        try values.encode(tools, forKey: .tools)
        try values.encode(cache, forKey: .cache)
        try values.encode(servers, forKey: .servers)
        try values.encode(precompiled, forKey: .precompiled)
        try values.encode(verdicts, forKey: .verdicts)
    }

    // MARK: For people

    /// One screen.
    ///
    /// - Parameter width: the terminal's columns.
    public func text(width: Int) -> String {
        var page = LabelledLines(width: width, label: 13)
        page.add("Kernel", kernelLines)
        page.add("BTF", [survey.hasBTF ? "/sys/kernel/btf/vmlinux" : "none: /sys/kernel/btf/vmlinux is not there"])
        page.add("Own archive", [archiveLine])
        page.add("Modules", moduleLines)
        page.add("bcc's copy", ["\(survey.bccCopy.path): \(copyState)"])
        page.add(
            "Environment",
            survey.variables.isEmpty
                ? ["no variable of bcc or bpftrace is set"]
                : survey.variables.map { "\($0.name)=\($0.value): \($0.state)" })
        page.add(
            "Tools",
            TracingTool.allCases.map { tool in
                guard let found = tools.first(where: { $0.tool == tool }) else { return "\(tool): not found" }
                return "\(tool) \(found.version ?? "(does not say its version)"), \(found.path)"
            })
        page.add("Cache", [cache.name.isEmpty ? cache.state : "\(cache.name): \(cache.state)"])
        page.add("Servers", servers.map { "\($0.name): \($0.state)" })
        if !precompiled.isEmpty { page.add("PCHs", precompiled.map { "\($0.tool): \($0.reason)" }) }
        page.addGap()
        for verdict in verdicts {
            page.add(
                verdict.tool.rawValue,
                [
                    "now:        \(verdict.now.isFound ? "yes" : "no"), \(verdict.now.reason)",
                    "with exec:  \(verdict.withExec.isFound ? "yes" : "no"), \(verdict.withExec.reason)",
                ])
        }
        return page.text
    }

    private var kernelLines: [String] {
        guard let kernel else { return [problem ?? "unknown"] }
        let names = [kernel.release, kernel.architecture?.machine].compactMap { $0 }
        let label = names.isEmpty ? "release unknown" : names.joined(separator: " ")
        return ["\(label)\(isRunning ? ", running" : ", not the running one")", "build ID \(kernel.buildID)"]
            + (problem.map { [$0] } ?? [])
    }

    private var archiveLine: String {
        switch survey.archive {
        case .present: "/sys/kernel/kheaders.tar.xz"
        case .module: "in a module that is not loaded: 'modprobe kheaders' as root brings it"
        case .notBuilt: "none: the kernel was built without (CONFIG_IKHEADERS is not set)"
        case .absent: "none, and the kernel's configuration can't be read; perhaps 'modprobe kheaders' brings it"
        }
    }

    private var moduleLines: [String] {
        let folder = "/lib/modules/\(survey.release ?? "RELEASE")"
        return ["\(folder)/build: \(survey.build)", "\(folder)/source: \(survey.source)"]
    }

    private var copyState: String {
        guard case .complete = survey.bccCopy.state, !survey.bccCopy.isRoots else { return "\(survey.bccCopy.state)" }
        return "\(survey.bccCopy.state), but not root's: bcc refuses it"
    }
}
