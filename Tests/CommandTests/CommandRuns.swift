import Dispatch
import KHeaderTestSupport
import KernelHeaders
import Testing

/// Runs one of the package's programs.
func run(_ program: String, _ arguments: String...) async throws -> ShellCommand.Result {
    try await run(program, arguments)
}

/// Runs a script of the shell's; the arguments are `$1` and so on.
func run(shell script: String, _ arguments: String...) async throws -> ShellCommand.Result {
    try await run(command: ShellCommand("sh", ["-c", script, "sh"] + arguments))
}

func run(_ program: String, _ arguments: [String]) async throws -> ShellCommand.Result {
    try await run(command: ShellCommand(BuiltProgram.path(program), arguments))
}

/// Waits on a thread of its own: the threads of Swift's tasks, as many as there are cores, have the server to run that the
/// program talks to.
func run(command: ShellCommand) async throws -> ShellCommand.Result {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(with: Result { try command.run() }) }
    }
}

/// A kernel's headers on their way through the programs: in a folder, with a build ID.
struct PushedKernel {
    let kernel: SmallKernel
    let id: String
    let folder: String

    /// Writes the kernel's headers below a folder.
    init(_ kernel: SmallKernel = SmallKernel(hasLargeFile: false), id: String = "0123abcd", in parent: TemporaryFolder)
        throws
    {
        self.kernel = kernel
        self.id = id
        folder = parent.path("source-\(id)")
        try kernel.write(to: folder)
    }

    /// Pushes the folder.
    ///
    /// - Returns: the tree digest that the program printed.
    @discardableResult
    func push(to server: RunningServer) async throws -> String {
        let result = try await run("kheader", "push", folder, "--build-id", id, "--server", server.url)
        try #require(result.status == 0, "\(result.errors)")
        return String(try #require(result.text.split(separator: " ").dropFirst().first))
    }
}
