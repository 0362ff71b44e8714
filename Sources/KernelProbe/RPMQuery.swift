internal import Glibc
internal import HeaderArchive

/// What the command `rpm` prints of its database, a line at a time.
///
/// By the command, as the database's form differs between versions of rpm, and only its own library reads them all. Its own
/// verification (`rpm --verify`) would need the right to change the root, which an agent has not.
enum RPMQuery {
    private static let program = "/usr/bin/rpm"
    /// Where databases are, newer ones first.
    private static let databases = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"]
    /// The most bytes taken of what it prints. A package of 20,000 headers has 4 MB.
    static let limit = 64 << 20

    /// - Parameters:
    ///   - packages: names with version; those that are not installed are passed over.
    ///   - format: of `--queryformat`.
    /// - Returns: what it printed; nil if there is no such command or no database.
    /// - Throws: what `check` throws.
    static func output(_ packages: [String], format: String, root: HostRoot, _ check: CancellationCheck) throws
        -> [UInt8]?
    {
        guard access(program, X_OK) == 0,
            let database = databases.lazy.compactMap({ try? root.resolve($0).path }).first,
            let (process, pipe) = start(["--dbpath", database, "--query", "--queryformat", format] + packages)
        else { return nil }
        var isWhole = false
        defer {
            close(pipe)
            if !isWhole { kill(process, SIGKILL) }
            var status: CInt = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
        }
        var output: [UInt8] = []
        do {
            let source = LimitedSource(FileSource(borrowing: pipe), limit: limit)
            try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
                while true {
                    // rpm may wait for a lock of its database for ever.
                    var ready = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
                    while poll(&ready, 1, 500) == 0 { try check() }
                    let count = try source.read(into: buffer)
                    guard count > 0 else { return }
                    try check()
                    output.append(contentsOf: buffer[..<count])
                }
            }
        } catch {
            try check()
            return nil
        }
        isWhole = true
        return output
    }

    private static func start(_ arguments: [String]) -> (process: pid_t, pipe: CInt)? {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        let words = ([program] + arguments).map { strdup($0) }
        let environment = ["LC_ALL=C", "PATH=/usr/bin:/bin", "HOME=/"].map { strdup($0 as String) }
        defer { for word in words + environment { free(word) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, program, &actions, nil, words + [nil], environment + [nil])
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            return nil
        }
        return (process, ends[0])
    }
}
