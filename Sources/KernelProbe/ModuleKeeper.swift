internal import CLinux
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders
internal import Synchronization

/// A process beside the agent that holds the only privilege of the two, `CAP_SYS_MODULE`, and does one thing with it: load
/// one certain module file when it is asked to, and unload it again when it is asked to, or when the agent ends, of
/// whatever cause (SIGKILL too: the kernel closes the agent's end of their socket).
///
/// The agent itself drops all privileges before it reads anything that somebody else wrote. The file was opened before
/// they parted, so that not even a hijacked agent can have another module loaded.
///
/// The protocol: the agent sends a byte, ``load`` or ``unload``; the answer is an `errno` of 32 bits, 0 for success.
public final class ModuleKeeper: HeaderModule {
    private static let load = UInt8(ascii: "L")
    private static let unload = UInt8(ascii: "U")

    private let process: pid_t
    /// This process's end. One question at a time.
    private let socket: Mutex<CInt>

    /// Starts the process, if there is a module to load and the right to. Costs a fork, and some 100 kB of memory.
    ///
    /// To be called first of all, on the only thread there is; ``ProcessPrivileges/drop(keeping:)`` follows.
    ///
    /// - Parameter root: where this host's `/` is. Its kernel must be the one that runs here.
    public static func start(root: String = "/") -> HeaderModuleAccess {
        let root = HostRoot(root)
        guard access(root(SysfsArchive.hostPath), F_OK) != 0 else {
            return .notPermitted(
                "The archive was there already, so the right to load modules was given up at the start.")
        }
        guard let release = RunningKernel.release(root) else { return .missing("The kernel's release is not known.") }
        guard let path = ModulesInstallation.headerModule(release: release, root: root) else {
            return .missing("There is no kheaders.ko in \(root("/lib/modules/\(release)")).")
        }
        if let reason = obstacle(root) { return .notPermitted(reason) }
        do {
            return .ready(try ModuleKeeper(root.open(path)))
        } catch {
            return .notPermitted("The module can't be loaded (\(error)).")
        }
    }

    /// Why this process may not load modules of that root into the kernel, in a sentence; nil if it may.
    static func obstacle(_ root: HostRoot) -> String? {
        guard ProcessPrivileges.mayLoadModules else {
            return "This process lacks CAP_SYS_MODULE, which loading the module needs."
        }
        if let disabled = try? HostRoot.read(path: "/proc/sys/kernel/modules_disabled"),
            disabled.first == UInt8(ascii: "1")
        {
            return "Loading modules was disabled until the next boot (kernel.modules_disabled)."
        }
        guard !root.isHostsOwn else { return nil }
        let notes = "/sys/kernel/notes"
        guard let theirs = try? HostRoot.read(path: root(notes)), let ours = try? HostRoot.read(path: notes) else {
            return "Whether \(root("/sys")) is of the kernel that runs here can't be told: no \(notes) can be read."
        }
        return ours == theirs ? nil : "\(root("/sys")) is not of the kernel that runs here."
    }

    private init(_ file: FileBytes) throws {
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try SystemCallError.check("socketpair", nil) { socketpair(AF_UNIX, kind, 0, &ends) }
        process = khd_fork()
        if process == 0 {
            close(ends[0])
            Self.serve(ends[1], file)
        }
        let number = errno
        socket = Mutex(ends[0])
        close(ends[1])
        if process < 0 {
            close(ends[0])
            throw SystemCallError(call: "fork", path: nil, number: number)
        }
    }

    deinit {
        guard process > 0 else { return }
        socket.withLock { _ = close($0) }
        var status: CInt = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    public func load() throws -> Bool {
        let answer = try ask(Self.load)
        if answer == EEXIST { return false }
        guard answer == 0 else { throw SystemCallError(call: "finit_module", path: nil, number: answer) }
        return true
    }

    public func unload() throws {
        let answer = try ask(Self.unload)
        guard answer == 0 else { throw SystemCallError(call: "delete_module", path: nil, number: answer) }
    }

    private func ask(_ question: UInt8) throws -> CInt {
        try socket.withLock { socket in
            var question = question
            try SystemCallError.check("send", nil) { send(socket, &question, 1, CInt(MSG_NOSIGNAL)) }
            var answer = CInt(0)
            let size = MemoryLayout<CInt>.size
            let count = try SystemCallError.check("recv", nil) { recv(socket, &answer, size, CInt(MSG_WAITALL)) }
            guard count == size else { throw SystemCallError(call: "recv", path: nil, number: ECONNRESET) }
            return answer
        }
    }

    // MARK: The process with the privilege

    private static func serve(_ socket: CInt, _ file: FileBytes) -> Never {
        // Who ends the agent by its process group or its control group means both; but first the module must go.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] { signal(number, SIG_IGN) }
        try? ProcessPrivileges.drop(keeping: [.loadModules])
        var isLoaded = false
        var question: UInt8 = 0
        while true {
            let count = recv(socket, &question, 1, 0)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { break }
            var answer: CInt
            if question == load {
                answer = insert(file)
                isLoaded = isLoaded || answer == 0
            } else {
                answer = isLoaded ? remove() : ENOENT
                isLoaded = isLoaded && answer != 0
            }
            _ = send(socket, &answer, MemoryLayout<CInt>.size, CInt(MSG_NOSIGNAL))
        }
        if isLoaded { _ = remove() }
        // No exit handlers: what they would do is the agent's.
        _exit(0)
    }

    /// - Returns: 0 or an `errno`.
    private static func insert(_ file: FileBytes) -> CInt {
        let start = (try? file.firstBytes(2)) ?? []
        guard let form = PayloadCompression(start: start) else { return ENOEXEC }
        if khd_finit_module(file.descriptor, form == .none ? 0 : 1) == 0 { return 0 }
        // Before 5.17, or by another compression than the kernel's own, the kernel can't decompress.
        guard form != .none, errno == EINVAL || errno == ENOEXEC || errno == EOPNOTSUPP else { return errno }
        guard let image = try? ModulesInstallation.decompressed(file, {}) else { return ENOEXEC }
        return khd_finit_module(image.descriptor, 0) == 0 ? 0 : errno
    }

    private static func remove() -> CInt { khd_delete_module(LoadedModule.name) == 0 ? 0 : errno }
}
