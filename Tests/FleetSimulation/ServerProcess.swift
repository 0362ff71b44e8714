import FoundationEssentials
import Glibc
import HeaderArchive
import KHeaderTestSupport

/// `kheaderd serve`, as a process whose CPU time and memory can be read.
final class ServerProcess {
    let url: String
    private let process: pid_t

    init(program: String, folder: String) throws {
        var pipes: [CInt] = [0, 0]
        try SystemCallError.check("pipe", nil) { pipe(&pipes) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO)
        posix_spawn_file_actions_addclose(&actions, pipes[0])
        let words = [
            program, "serve", "--state", folder, "--listen", "127.0.0.1:0",
        ]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var variables: [UnsafeMutablePointer<CChar>?] = [strdup("KHEADERD_LOG_LEVEL=error"), nil]
        defer { for variable in variables { free(variable) } }
        var process = pid_t()
        let result = posix_spawn(&process, program, &actions, nil, &arguments, &variables)
        close(pipes[1])
        defer { close(pipes[0]) }
        guard result == 0 else { throw SystemCallError(call: "posix_spawn", path: program, number: result) }
        self.process = process
        let said = try Self.line(of: pipes[0]).split(separator: " ")
        guard said.count == 3, said[0] == "listening" else {
            kill(process, SIGKILL)
            throw Silent(program: program)
        }
        url = String(said[2])
    }

    /// It ended, or said something else.
    struct Silent: Error, CustomStringConvertible {
        let program: String
        var description: String { "\(program) does not say where it listens." }
    }

    func stop() {
        kill(process, SIGTERM)
        var status: CInt = 0
        waitpid(process, &status, 0)
    }

    /// User and system time so far.
    func cpuSeconds() throws -> Double {
        // proc(5): fields 14 and 15, counted behind the name, which may have spaces.
        let text = String(decoding: try FileSource(path: "/proc/\(process)/stat").readAll(), as: UTF8.self)
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
        return (user + system) / Double(sysconf(CInt(_SC_CLK_TCK)))
    }

    /// Resident bytes.
    func memory() throws -> Int {
        let text = String(decoding: try FileSource(path: "/proc/\(process)/statm").readAll(), as: UTF8.self)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * sysconf(CInt(_SC_PAGESIZE))
    }

    private static func line(of descriptor: CInt) throws -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while try SystemCallError.check("read", nil, { read(descriptor, &byte, 1) }) == 1, byte != UInt8(ascii: "\n") {
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
