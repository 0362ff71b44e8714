internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe

struct CollectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collect",
        abstract: "Copy the running kernel's headers into a file, for a host that reaches no server.",
        discussion: "Another host sends it with 'kheader push FILE --build-id ID'. The ID is printed.")

    @Option(help: ArgumentHelp("The file to make. One that is there is replaced, in one step.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Where this host's / is, for an agent in a container.", valueName: "dir"))
    var root = "/"

    func run() async throws {
        let identity = try RunningKernel(root: root).identity
        let archive = try KernelArchive(root: root)
        let size = try await BlockingWork.run { [output] in try StagedFile.copy(archive.path, to: output, $0) }
        try Console.put("\(identity.buildID)")
        Console.say("\(output): \(ByteSize.text(size)), the headers of \(identity.release ?? "this kernel").")
    }
}
