public import Glibc
internal import HeaderArchive

/// What of a host decides where tracing tools find kernel headers, read and not changed.
public struct ToolSurvey: Sendable, Equatable {
    /// Whether the kernel offers its own headers, `/sys/kernel/kheaders.tar.xz`.
    public enum OwnArchive: String, Sendable, Equatable, Encodable {
        case present
        /// Built as a module, `CONFIG_IKHEADERS=m`, that is not loaded.
        case module
        case notBuilt
        /// It is not there, and no configuration that could be read tells why.
        case absent
    }

    /// A variable that a tool reads, and what the folder or file is that it names.
    public struct Variable: Sendable, Equatable, Encodable {
        public let name: String
        public let value: String
        public let state: String
    }

    /// The folder of bcc's own unpacking.
    public struct Copy: Sendable, Equatable {
        public let path: String
        public let state: ToolTree.State
        /// bcc takes the copy only if it is root's.
        public let isRoots: Bool
    }

    public let release: String?
    public let hasBTF: Bool
    public let archive: OwnArchive
    /// `/lib/modules/RELEASE/build` and `source`.
    public let build: ToolTree.State
    public let source: ToolTree.State
    /// What bpftrace makes of these two: one stands in for the other.
    public let modules: ToolTree
    /// What bcc makes of them: without a build folder it looks for nothing.
    let bccModules: ToolTree
    public let bccCopy: Copy
    public let variables: [Variable]
    /// Whether tools are run by root: bcc may unpack the kernel's own archive only then.
    public let isRoot: Bool

    /// - Parameters:
    ///   - release: the running kernel's, as `uname -r` prints it.
    ///   - root: where the host's `/` is; tests have hosts that are folders.
    ///   - environment: what this process was given.
    public init(
        release: String?, root: String = "/", environment: [String: String], isRoot: Bool = geteuid() == 0
    ) {
        let base = root == "/" ? "" : root
        let label = release ?? "unknown"
        let folder = "\(base)/lib/modules/\(label)"
        let hasSource = Self.isFolder("\(folder)/source")
        let hasBuild = Self.isFolder("\(folder)/build")
        self.release = release
        self.isRoot = isRoot
        hasBTF = access("\(base)/sys/kernel/btf/vmlinux", R_OK) == 0
        archive = Self.archive(base, label)
        build = ToolTree(source: "\(folder)/build").stateAlone(besides: hasSource ? "\(folder)/source" : nil)
        source = ToolTree(source: "\(folder)/source").stateAlone(besides: hasBuild ? "\(folder)/build" : nil)
        modules = ToolTree(
            source: hasSource ? "\(folder)/source" : "\(folder)/build",
            build: hasBuild ? "\(folder)/build" : "\(folder)/source")
        bccModules = hasBuild ? modules : ToolTree(source: "\(folder)/build")
        let temporary = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        bccCopy = Self.copy("\(base)\(temporary)/kheaders-\(label)")
        variables = Self.variables(environment)
    }

    /// The value of a variable that was set when this was read.
    public func variable(_ name: String) -> String? { variables.first { $0.name == name }?.value }

    // MARK: Reading

    private static func archive(_ base: String, _ release: String) -> OwnArchive {
        if access("\(base)/sys/kernel/kheaders.tar.xz", F_OK) == 0 { return .present }
        let configuration =
            SmallFile.gzipped("\(base)/proc/config.gz") ?? SmallFile.text("\(base)/boot/config-\(release)")
        guard let configuration else { return .absent }
        let lines = configuration.split(separator: "\n")
        return lines.contains("CONFIG_IKHEADERS=m") ? .module : .notBuilt
    }

    private static func copy(_ path: String) -> Copy {
        var status = stat()
        let isRoots = stat(path, &status) == 0 && status.st_uid == 0
        return Copy(path: path, state: ToolTree(source: path).state, isRoots: isRoots)
    }

    /// `ARCH` is no path, and leads bcc and bpftrace to another folder below `arch/`.
    private static func variables(_ environment: [String: String]) -> [Variable] {
        let folders = [ToolEnvironment.bccSource, ToolEnvironment.bpftraceSource, ToolEnvironment.bpftraceBuild]
        let split = ToolTree(
            source: environment[ToolEnvironment.bpftraceSource] ?? "",
            build: environment[ToolEnvironment.bpftraceBuild])
        return (folders + [ToolEnvironment.bpftraceBTF, "ARCH"]).compactMap { name in
            guard let value = environment[name] else { return nil }
            let state =
                switch name {
                case ToolEnvironment.bccSource: "\(ToolTree(source: value).state)"
                case ToolEnvironment.bpftraceSource: "\(split.state)"
                case ToolEnvironment.bpftraceBuild:
                    environment[ToolEnvironment.bpftraceSource].map {
                        "\(ToolTree(source: value).stateAlone(besides: $0))"
                    } ?? "not read without \(ToolEnvironment.bpftraceSource)"
                case ToolEnvironment.bpftraceBTF:
                    access(value, R_OK) == 0 ? "there" : "not there, or not for this user to read: bpftrace may crash"
                default: "bcc and bpftrace look in arch/\(value) for it"
                }
            return Variable(name: name, value: value, state: state)
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

extension ToolTree {
    /// The folder's state, its other half (if it has one) making up for files that stand there.
    func stateAlone(besides other: String?) -> State {
        switch state {
        case .incomplete, .complete(release: nil): other.map { ToolTree(source: source, build: $0).state } ?? state
        case let state: state
        }
    }
}
