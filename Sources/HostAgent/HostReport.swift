public import HeaderTransport
public import KernelHeaders

/// What `kheader-agent doctor` shows.
public struct HostReport: Encodable, Sendable {
    /// A server, as it would answer.
    public struct Server: Encodable, Sendable {
        public var server: String
        public var isUsable: Bool
        public var detail: String
        public var clockAheadSeconds: Int?
    }

    /// Clocks that are further apart are worth a word: TLS certificates and tokens have times.
    private static let clockTolerance = 60

    public let kernel: KernelIdentity
    public let host: HostID
    public let bootID: String
    /// False if the host has no machine ID, and counts as another one after each boot.
    public let isHostIDLasting: Bool
    public let steps: [CollectStep]
    public let btf: String
    public let servers: [Server]
    public let spool: String

    public init(
        host: LocalHost, steps: [CollectStep], btf: String, servers: [ServerProbe], spool: String
    ) {
        kernel = host.kernel
        self.host = host.identity.host
        bootID = host.identity.bootID
        isHostIDLasting = host.identity.isLasting
        self.steps = steps
        self.btf = btf
        self.servers = servers.map {
            Server(server: $0.server, isUsable: $0.isUsable, detail: $0.detail, clockAheadSeconds: $0.clockAhead)
        }
        self.spool = spool
    }

    /// Whether some place has headers, or a module that is said to bring them.
    public var canGiveHeaders: Bool { steps.contains { $0.outcome == .usable || $0.outcome == .deferred } }

    /// One screen, in English.
    ///
    /// - Parameter width: of the terminal, in columns.
    public func text(width: Int) -> String {
        var page = LabelledLines(width: width, label: 9)
        page.add("Kernel", ["\(kernel.release ?? "of unknown release"), build ID \(kernel.buildID)"])
        page.add(
            "Host",
            ["\(host)" + (isHostIDLasting ? "" : ", for this boot only: there is no machine ID"), "boot \(bootID)"])
        page.addGap()
        page.add("Headers", steps.map { Self.line($0) })
        page.add("BTF", [btf])
        page.addGap()
        page.add("Servers", servers.map { Self.line($0) })
        page.add("Spool", [spool])
        return page.text
    }

    private static func line(_ step: CollectStep) -> String {
        let place =
            switch step.origin {
            case .sysfs: "/sys/kernel/kheaders.tar.xz"
            case .loadedModule: "the same, by loading the module kheaders"
            case .moduleFile: "the file of the module kheaders"
            case .modulesFolder: "/lib/modules/RELEASE/{build,source}"
            case .sourceFolder: "/usr/src/linux-headers-RELEASE, kernels/RELEASE"
            }
        let outcome =
            switch step.outcome {
            case .usable: "has them"
            case .deferred: "there, and would be loaded if a server wants headers"
            case let other: other.rawValue
            }
        return "\(place): \(outcome)" + (step.detail.map { ". \($0)" } ?? "")
    }

    private static func line(_ server: Server) -> String {
        var line = "\(server.server): \(server.detail)"
        if let ahead = server.clockAheadSeconds, abs(ahead) > clockTolerance {
            line += ". This host's clock is \(abs(ahead)) s \(ahead > 0 ? "ahead of" : "behind") the server's"
        }
        return line
    }
}
