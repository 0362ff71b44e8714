import Dispatch
import Glibc
import HeaderArchive
import KHeaderTestSupport
import Synchronization

/// A `CrashingServer` that was started, and what it says until it ends, by its own hand or because it was told to.
///
/// Everything that waits does so on a thread of its own.
final class CrashingProcess: Sendable {
    /// How it ended.
    enum End: Equatable {
        /// It killed itself, at the step described.
        case died(at: String)
        /// It did what it had to, with so many steps.
        case lived(steps: Int)
    }

    struct Unexpected: Error, CustomStringConvertible {
        let description: String
    }

    private let process: pid_t
    /// Where its output comes out.
    private let output: CInt
    private let queue = DispatchQueue(label: "CrashingProcess")
    private let lines = Mutex<[String]>([])

    /// - Parameters:
    ///   - arguments: see `CrashingServer`.
    ///   - prefix: a command that runs it, as `strace` does.
    init(_ arguments: [String], through prefix: [String] = []) throws {
        var ends: [CInt] = [0, 0]
        // Not a pipe: this can be closed to other children from the start.
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try SystemCallError.check("socketpair", nil) { socketpair(AF_UNIX, kind, 0, &ends) }
        output = ends[0]
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        let words = prefix + [Self.executable] + arguments
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var process: pid_t = 0
        let status = posix_spawnp(&process, words[0], &actions, nil, copies + [nil], environ)
        guard status == 0 else { throw SystemCallError(call: "posix_spawn", path: words[0], number: status) }
        self.process = process
    }

    deinit { close(output) }

    /// Beside the program that runs the tests.
    private static let executable: String = {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        _ = readlink("/proc/self/exe", &path, path.count - 1)
        let own = path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let slash = own.lastIndex(of: UInt8(ascii: "/")) ?? 0
        return String(decoding: own[..<slash], as: UTF8.self) + "/CrashingServer"
    }()

    /// The port it listens on, or nil if it ended before it listened.
    func port() async throws -> Int? {
        guard let line = await readLine(), line.hasPrefix("listening on ") else { return nil }
        return line.utf8.lastIndex(of: UInt8(ascii: ":")).flatMap { Int(line[line.utf8.index(after: $0)...]) }
    }

    /// Tells a server to answer what it was asked and end, and waits until it is gone.
    func stop() async throws -> End {
        kill(process, SIGTERM)
        return try await end()
    }

    /// Ends it as a crash does, and waits until it is gone.
    func crash() async throws {
        kill(process, SIGKILL)
        guard case nil = try? await end() else { throw Unexpected(description: "CrashingServer outlived SIGKILL") }
    }

    /// Waits until it is gone.
    func end() async throws -> End {
        while await readLine() != nil {}
        let status = await onQueue { process in
            var status: CInt = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
            return status
        }
        let last = lines.withLock { $0.last } ?? ""
        if status & 0x7F == SIGKILL, last.hasPrefix("died at ") { return .died(at: String(last.dropFirst(8))) }
        if status == 0, last.hasPrefix("steps "), let steps = Int(last.dropFirst(6)) { return .lived(steps: steps) }
        throw Unexpected(description: "CrashingServer ended with status \(status), having said: \(last)")
    }

    /// The next line it prints, nil at the end.
    private func readLine() async -> String? {
        let line = await onQueue { [output] _ -> String? in
            var line: [UInt8] = []
            var byte: UInt8 = 0
            while read(output, &byte, 1) == 1 {
                if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
                line.append(byte)
            }
            return nil
        }
        if let line { lines.withLock { $0.append(line) } }
        return line
    }

    private func onQueue<Value: Sendable>(_ body: @escaping @Sendable (pid_t) -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { [process] in continuation.resume(returning: body(process)) }
        }
    }
}
