internal import ArgumentParser
internal import FoundationEssentials
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import PrecompiledHeaders
internal import TracingClient

struct PCHBuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build",
        abstract: "Make a PCH on this host, and post it to a server that lacks the clang for it.",
        discussion: """
            It is made in bubblewrap and proved as a server does it, of headers that the server has. To post it takes a \
            token of role 'builder'; clients get it if they say --accept-builders, as no server has proved it.

              kheader pch build --for clang --clang clang-19 --umbrella net --token-file builder.token

            With --output it is copied into a file instead: a tar of pch, manifest.json and toolchain.json.
            """)

    @OptionGroup var tool: PCHToolOptions

    @Option(
        help: ArgumentHelp("Which headers are precompiled together; 'kheader pch list' has them.", valueName: "name"))
    var umbrella = Umbrella.all.name

    @Option(help: ArgumentHelp("Do not post it, but put it there.", valueName: "file"))
    var output: String?

    @OptionGroup var tree: TreeOptions

    func run() async throws {
        let tool = try await tool.tool()
        let client = try tree.servers.client()
        let headers = try await tree.headers()
        let kernel = try await client.kernel(headers.identity.buildID)
        guard headers.headers.stamp.digest == kernel.treeDigest else {
            throw Problem(
                .treeConflict,
                "The headers on this host are not the server's. Take these: --only server, or --only cache.")
        }
        let umbrellas = try await client.toolchains().umbrellas
        guard let umbrella = umbrellas.first(where: { $0.name == self.umbrella }) else {
            let all = umbrellas.map(\.name).joined(separator: ", ")
            throw Problem(.umbrellaUnknown, "The server has no umbrella '\(self.umbrella)'. It has \(all).")
        }
        let folder = try ScratchFolder(prefix: "\(ScratchFolder.parent)/kheader-pch-")
        defer { folder.remove() }
        let maker = try await PCHMaker(in: folder)
        let parcel = try await ProgressBar.show("PCH of \("\(headers.identity.buildID)".prefix(12))") { bar in
            try await maker.make(umbrella, for: tool, tree: headers.path, kernel: kernel) {
                bar.update("\($0.name) (\($0.number) of \($0.count))")
            }
        }
        for left in parcel.manifest.leftOut { Console.say("kheader: without <\(left.header)>: \(left.reason)") }
        if let output {
            _ = try await BlockingWork.run { try StagedFile.copy(parcel.path, to: output, $0) }
        } else {
            try await ProgressBar.show("Posting") { bar in
                try await maker.post(parcel, of: tool, to: client) { bar.update($0, of: $1) }
            }
        }
        Console.say(
            "kheader: \(umbrella.name) for \(tool.name): \(ByteSize.text(parcel.manifest.bytes)), proved by "
                + parcel.manifest.proofs.joined(separator: ", "))
        try Console.put("\(parcel.manifest.key)")
    }
}
