internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Subprocess
internal import SystemPackage

/// Runs a compiler on headers that nobody trusts: by bubblewrap, in namespaces of its own without network, without the host's
/// files, with an empty environment and no rights; it sees its own program and libraries, and what is bound for it, to read
/// only. It can write nothing but its two outputs.
///
/// What a header can do there is tried in `HostileHeaderTests`, an attack each.
///
/// An operator may insist on doing without (``none(limits:path:)``): then there are the limits only, headers can read what
/// the server can, and PCHs have the server's own paths in them, so that no two servers make the same bytes.
public struct Sandbox: Sendable {
    /// What one run may take.
    public struct Limits: Sendable, Equatable {
        /// Of the wall clock: a FIFO for a header takes no other time.
        public var seconds = 60
        public var processorSeconds = 30
        /// Of address space.
        public var memoryBytes = 2 << 30
        /// Of each of the two files that it writes: the PCH, and messages. The largest standard PCH has some 30 MB.
        public var outputBytes = 64 << 20
        /// Processes and threads of the user that the server runs as: the kernel counts them together.
        public var processes = 4096

        public init() {}
    }

    /// Where a file or folder of the host is seen inside.
    struct Mount {
        let source: String
        let target: String
    }

    public let limits: Limits
    /// Paths of the programs that a run goes through; no bubblewrap if the operator insists on doing without.
    private let bubblewrap: String?
    private let prlimit: String
    private let timeout: String

    /// Looks for bubblewrap, and tries it.
    ///
    /// - Parameter path: where programs are looked for, separated by colons; nil for the environment's `PATH`.
    /// - Throws: ``SandboxUnavailable``; `CancellationError`.
    public static func find(limits: Limits = Limits(), path: String? = nil) async throws -> Sandbox {
        let sandbox = try Sandbox(limits: limits, path: path, isConfined: true)
        try await sandbox.tryOut()
        return sandbox
    }

    /// A sandbox that is none: see above.
    ///
    /// - Throws: ``SandboxUnavailable`` if there is nothing that sets limits.
    public static func none(limits: Limits = Limits(), path: String? = nil) throws -> Sandbox {
        try Sandbox(limits: limits, path: path, isConfined: false)
    }

    private init(limits: Limits, path: String?, isConfined: Bool) throws {
        let path = path ?? ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        func program(_ name: String, package: String) throws -> String {
            for folder in path.split(separator: ":") where access("\(folder)/\(name)", X_OK) == 0 {
                return "\(folder)/\(name)"
            }
            throw SandboxUnavailable(
                description: "No PCHs are made here: there is no \(name) here. Install \(package).")
        }
        self.limits = limits
        bubblewrap = isConfined ? try program("bwrap", package: "bubblewrap") : nil
        prlimit = try program("prlimit", package: "util-linux")
        timeout = try program("timeout", package: "coreutils")
    }

    /// Starts a program inside that does nothing. What waits for the sandbox waits for this: at most a minute.
    private func tryOut() async throws {
        let seconds = (1...60).contains(limits.seconds) ? limits.seconds : 60
        let command = arguments(["/bin/true"], [Mount(source: "/", target: "/")], folder: "/", seconds: seconds)
        let reason: String
        do {
            let result = try await Subprocess.run(
                .path(FilePath(timeout)), arguments: Arguments(command), platformOptions: .wholeGroup, input: .none,
                output: .discarded, error: .string(limit: 1 << 16))
            switch result.terminationStatus {
            case .exited(0): return
            // timeout(1), which ends as what it has to kill.
            case .exited(124), .exited(137), .signaled(9): reason = "it has not started within \(seconds) s"
            case let status:
                let words = result.standardError.split(whereSeparator: \.isNewline).joined(separator: "; ")
                reason = words.isEmpty ? "it ends as \(status)" : String(words.prefix(1000))
            }
        } catch { reason = "\(error)" }
        try Task.checkCancellation()
        throw SandboxUnavailable(
            description:
                "No PCHs are made here: bubblewrap can't be used here (\(reason)). In a container or a systemd "
                + "unit namespaces have to be allowed (unprivileged user namespaces, mounts).")
    }

    /// How a run ended, if it ended by itself.
    struct Ending {
        let isSuccess: Bool
        /// The beginning of what the compiler said, paths as they are inside.
        let messages: String
    }

    /// The most bytes of messages that are read.
    static let messageBytes = 1 << 20

    /// Runs a clang.
    ///
    /// - Parameters:
    ///   - arguments: the compiler's.
    ///   - mounts: what it sees beside itself.
    ///   - folder: the working folder, inside.
    ///   - output: the file that standard output becomes; made anew.
    /// - Throws: `Problem` with `pch-limit`; `CancellationError`; `SystemCallError`.
    func run(
        _ toolchain: InstalledToolchain, _ arguments: [String], mounts: [Mount], folder: String, output: String
    ) async throws -> Ending {
        let messages = "\(output).messages"
        defer { unlink(messages) }
        let paths = MountedPaths(mounts)
        let status: TerminationStatus
        if bubblewrap == nil {
            let words = bounds(limits.seconds) + [toolchain.program] + arguments.map(paths.outside)
            status = try await Self.run(
                timeout, words, folder: paths.outside(folder), output: output, messages: messages)
        } else {
            let words = self.arguments([toolchain.program] + arguments, toolchain.mounts + mounts, folder: folder)
            status = try await Self.run(timeout, words, folder: "/", output: output, messages: messages)
        }
        try Task.checkCancellation()
        let said = SmallFile.prefix(of: messages, bytes: Self.messageBytes)
        return try ending(status, messages: bubblewrap == nil ? paths.inside(said) : said)
    }

    private static func run(
        _ program: String, _ arguments: [String], folder: String, output: String, messages: String
    ) async throws -> TerminationStatus {
        let options: FileDescriptor.OpenOptions = [.create, .truncate, .closeOnExec]
        let permissions: FilePermissions = [.ownerReadWrite]
        let out = try FileDescriptor.open(FilePath(output), .writeOnly, options: options, permissions: permissions)
        let said = try out.closeAfter(failing: {
            try FileDescriptor.open(FilePath(messages), .writeOnly, options: options, permissions: permissions)
        })
        return try await Subprocess.run(
            .path(FilePath(program)), arguments: Arguments(arguments), environment: .custom([:]),
            workingDirectory: FilePath(folder), platformOptions: .wholeGroup, input: .none,
            output: .fileDescriptor(out, closeAfterSpawningProcess: true),
            error: .fileDescriptor(said, closeAfterSpawningProcess: true)
        ).terminationStatus
    }

    /// The words behind `timeout`. bubblewrap ends with its parent (prctl(2), `PR_SET_PDEATHSIG`), which is a thread: so that
    /// is the one of `timeout`, never one of this process, which may go when its work is done.
    ///
    /// - Parameter seconds: nil for those of a run.
    private func arguments(
        _ command: [String], _ mounts: [Mount], folder: String, seconds: Int? = nil
    ) -> [String] {
        bounds(seconds ?? limits.seconds) + [
            bubblewrap ?? "", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
            "--uid", "65534", "--gid", "65534",
        ] + mounts.flatMap { ["--ro-bind", $0.source, $0.target] } + [
            "--remount-ro", "/", "--chdir", folder, "--",
        ] + command
    }

    private func bounds(_ seconds: Int) -> [String] {
        [
            "--kill-after=1", "\(seconds)", prlimit, "--as=\(limits.memoryBytes)",
            "--cpu=\(limits.processorSeconds)", "--fsize=\(limits.outputBytes)", "--nproc=\(limits.processes)",
            "--nofile=256", "--core=0",
        ]
    }

    private func ending(_ status: TerminationStatus, messages: String) throws -> Ending {
        switch status {
        case .exited(0): return Ending(isSuccess: true, messages: messages)
        // timeout(1); what follows is 128 and the signal (bwrap, as shells do).
        case .exited(124): throw limit("\(limits.seconds) seconds", messages)
        case .exited(137), .signaled(9):
            throw limit("\(limits.processorSeconds) seconds of processor time, or of the machine's memory", messages)
        case .exited(153): throw limit("\(limits.outputBytes) bytes of output", messages)
        case .exited(134) where messages.contains("out of memory"),
            .exited(1) where messages.contains("LLVM ERROR: out of memory"):
            throw limit("\(limits.memoryBytes) bytes of memory", messages)
        default: return Ending(isSuccess: false, messages: messages)
        }
    }

    private func limit(_ what: String, _ messages: String) -> Problem {
        let said = messages.isEmpty ? "" : " It said: \(messages.prefix(1000))"
        return Problem(.pchLimit, "The compiler took more than \(what), which is the limit for one run.\(said)")
    }
}

extension FileDescriptor {
    /// Closes this one if making another fails.
    fileprivate func closeAfter<Value>(failing body: () throws -> Value) throws -> Value {
        do { return try body() } catch {
            try? close()
            throw error
        }
    }
}
