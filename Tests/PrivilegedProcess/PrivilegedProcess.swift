internal import Glibc
internal import HeaderArchive
internal import KernelProbe

/// What an agent does first, alone in a process: takes the right to load the module below a root, drops the rest, and says
/// what is left.
///
///     PrivilegedProcess ROOT
///
/// Prints `access: …`, then its own `/proc/self/status`. A line on standard input makes it load the module and print the
/// answer; it ends with standard input.
@main struct PrivilegedProcess {
    static func main() throws {
        let output = FileSink(borrowing: STDOUT_FILENO)
        func say(_ line: String) throws {
            try output.write(Array("\(line)\n".utf8))
            try output.finish()
        }
        let access = ModuleKeeper.start(root: CommandLine.arguments[1])
        try ProcessPrivileges.drop()
        switch access {
        case .ready: try say("access: ready")
        case .missing(let sentence): try say("access: missing: \(sentence)")
        case .notPermitted(let sentence): try say("access: not permitted: \(sentence)")
        }
        try FileSource(path: "/proc/self/status").drain { try output.write($0) }
        try output.finish()
        while readLine() != nil {
            guard case .ready(let module) = access else { continue }
            do {
                try say("loaded: \(try module.load())")
            } catch {
                try say("refused: \(error)")
            }
        }
    }
}
