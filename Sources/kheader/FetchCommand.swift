internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Bring a kernel's headers into a folder.",
        discussion: """
            Every file is checked against the kernel's manifest while it is unpacked. The folder appears when all of it \
            is there and right; otherwise nothing does. Its path is printed.

              kheader fetch                    into ./kheaders-BUILDID
              kheader fetch --to /tmp/headers  into a folder of this name
              kheader fetch --build-id 3f1c…   of another kernel
            """)

    @Option(
        name: .customLong("build-id"),
        help: ArgumentHelp("The kernel. Default: the one that runs here.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @Option(
        help: ArgumentHelp("A folder that is not there yet, or empty. Default: kheaders-BUILDID.", valueName: "dir"))
    var to: String?

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let id = try buildID ?? RunningKernel().identity.buildID
        let client = try servers.client()
        let destination = to ?? "kheaders-\(id)"
        let tree = try await ProgressBar.show("Fetching \("\(id)".prefix(12))") { bar in
            try await TreeFetch(client: client) { bar.update($0, of: $1) }.fetch(id, to: destination)
        }
        try Console.put(tree.path)
        Console.say("\(tree.files) files, \(ByteSize.text(tree.bytes)), tree \(tree.treeDigest), each file verified.")
    }
}
