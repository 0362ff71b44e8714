public import KernelHeaders
public import PrecompiledHeaders

/// Whether a tool finds a kernel's headers, and why: as the host is, and with `kheader exec`.
public struct ToolVerdict: Sendable, Equatable, Encodable {
    /// Yes or no, and where or why not.
    public struct Answer: Sendable, Equatable, Encodable {
        public let isFound: Bool
        public let reason: String

        static func yes(_ reason: String) -> Answer { Answer(isFound: true, reason: reason) }
        static func no(_ reason: String) -> Answer { Answer(isFound: false, reason: reason) }
    }

    public let tool: TracingTool
    public let now: Answer
    public let withExec: Answer

    /// - Parameters:
    ///   - other: the kernel that it is about if that is not the one that runs here: tools look for no other by themselves.
    ///   - source: where `kheader exec` would get the tree from, in a few words; nil if nothing has it.
    ///   - hasCache: whether there is a cache to keep it in.
    public init(
        _ tool: TracingTool, _ survey: ToolSurvey, of other: BuildID? = nil, source: String?, hasCache: Bool = true
    ) {
        self.tool = tool
        now =
            switch tool {
            case .clang: .no("clang looks into no kernel's folder by itself")
            case _ where other != nil: .no("tools look for the running kernel's headers, and no other's")
            case .bcc: Self.bcc(survey)
            case .bpftrace: Self.bpftrace(survey)
            }
        guard let source else {
            withExec = .no(
                hasCache ? "neither the cache, a server nor this host has the tree" : "the cache can't be used")
            return
        }
        let named = other.map { " --build-id \($0)" } ?? ""
        withExec =
            switch tool {
            case .bcc: .yes("\(ToolEnvironment.bccSource) names the tree from \(source)")
            case .bpftrace: .yes("\(ToolEnvironment.bpftraceSource) names the tree from \(source)")
            case .clang: .yes("'clang $(kheader flags --for clang\(named))' reads the tree from \(source)")
            }
    }

    /// bcc's order (`ClangLoader::parse`, `get_proc_kheaders`): its variable, `/lib/modules`, its copy, the kernel's
    /// archive.
    private static func bcc(_ survey: ToolSurvey) -> Answer {
        if let path = survey.variable(ToolEnvironment.bccSource) {
            return look(ToolTree(source: path), survey, as: ToolEnvironment.bccSource)
        }
        if ToolTree(source: survey.bccModules.source).has(ToolTree.needed[0]) { return look(survey.bccModules, survey) }
        let before = "\(survey.bccModules.build) is \(survey.build)"
        if survey.bccCopy.state != .missing {
            guard survey.bccCopy.isRoots else {
                return .no("\(before); bcc refuses \(survey.bccCopy.path): not root's")
            }
            return look(ToolTree(source: survey.bccCopy.path), survey)
        }
        switch survey.archive {
        case .present where survey.isRoot: return .yes("bcc unpacks the kernel's own archive to \(survey.bccCopy.path)")
        case .module where survey.isRoot:
            return .yes("bcc loads the kheaders module and unpacks its archive to \(survey.bccCopy.path)")
        case .present, .module: return .no("\(before); only root's bcc unpacks the kernel's own archive")
        case .notBuilt, .absent: return .no("\(before), and the kernel offers no headers of its own")
        }
    }

    /// bpftrace's order (`get_kernel_dirs`): its variables, `/lib/modules`.
    private static func bpftrace(_ survey: ToolSurvey) -> Answer {
        if let source = survey.variable(ToolEnvironment.bpftraceSource) {
            let tree = ToolTree(source: source, build: survey.variable(ToolEnvironment.bpftraceBuild))
            return look(tree, survey, as: ToolEnvironment.bpftraceSource)
        }
        let answer = look(survey.modules, survey)
        guard !answer.isFound, survey.hasBTF else { return answer }
        return .no("\(answer.reason); without #include its types come from BTF")
    }

    private static func look(_ tree: ToolTree, _ survey: ToolSurvey, as name: String? = nil) -> Answer {
        let place = (name.map { "\($0)=" } ?? "") + tree.build
        switch tree.state {
        case .complete(let release?) where release != survey.release: return .no("\(place) has headers of \(release)")
        case .complete: return .yes("headers in \(place)")
        case let state: return .no("\(place) is \(state)")
        }
    }
}
