import KHeaderTestSupport
import KernelHeaders
import Testing

/// Runs one of the package's programs.
func run(_ program: String, _ arguments: String...) throws -> ShellCommand.Result {
    try ShellCommand(BuiltProgram.path(program), arguments).run()
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
    func push(to server: RunningServer) throws -> String {
        let result = try run("kheader", "push", folder, "--build-id", id, "--server", server.url)
        try #require(result.status == 0, "\(result.errors)")
        return String(try #require(result.text.split(separator: " ").dropFirst().first))
    }
}
