internal import ArgumentParser
internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct StoreExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write kernels that the server has into one file.",
        discussion: """
            Headers and BTF, for a server that can't reach this one, or as a backup; 'kheader store import' reads it. It is \
            a tar, whose SHA256SUMS says what is in it. The same kernels give the same bytes. Not in it: kernels of which the \
            server has BTF only, pins, what was deleted, hosts and their reports, PCHs.

              kheader store export --all --output kernels.khx
              kheader store export --build-id 3f1c... --output - | ssh other kheader store import -
            """)

    @Option(
        name: .customLong("build-id"), help: ArgumentHelp("This kernel. May be given several times.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildIDs: [BuildID] = []

    @Flag(help: "All kernels of which the server has headers.")
    var all = false

    @Option(help: ArgumentHelp("The file; '-' for standard output.", valueName: "file"))
    var output: String

    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard all != !buildIDs.isEmpty else { throw ValidationError("Say which kernels: --build-id, or --all.") }
        guard !output.isEmpty else { throw ValidationError("--output is a file, or '-'.") }
    }

    func run() async throws {
        let client = try servers.client()
        let kernels = try await kernels(client)
        // A backup of a server that was wiped must not replace the last good one.
        guard !kernels.isEmpty else {
            throw ExportFileError(
                code: .empty,
                detail: "The server has no headers of any kernel: nothing is written. Is it the right server?")
        }
        guard try DownloadedFile.isReplaced(output) else {
            guard output != "-" || isatty(STDOUT_FILENO) == 0 else {
                throw ValidationError("Standard output is a terminal. Send it into a pipe or a file.")
            }
            let place = try DownloadedFile.open(output)
            defer { close(place) }
            try await export(kernels, client, to: FileSink(borrowing: place))
            return Console.say("kheader: \(Self.count(kernels)).")
        }
        let file = try ScratchFile(prefix: "\(output).")
        defer { close(file.descriptor) }
        do {
            try await export(kernels, client, to: FileSink(borrowing: file.descriptor))
            try SystemCallError.check("fsync", output) { fsync(file.descriptor) }
            try file.publish(as: output)
        } catch {
            unlink(file.path)
            throw error
        }
        try Console.put(output)
        Console.say("kheader: \(Self.count(kernels)), \(ByteSize.text(try FileSize.of(output))).")
    }

    private static func count(_ kernels: [KernelSummary]) -> String {
        kernels.count == 1 ? "1 kernel" : "\(kernels.count) kernels"
    }

    private func kernels(_ client: HeaderServerClient) async throws -> [KernelSummary] {
        var kernels: [KernelSummary] = []
        if all {
            var query = KernelQuery()
            query.hasHeaders = true
            kernels = try await client.allKernels(query).compactMap(\.summary)
        }
        for id in Set(buildIDs) { kernels.append(try await client.kernel(id)) }
        return kernels.sorted { "\($0.identity.buildID)" < "\($1.identity.buildID)" }
    }

    private func export(_ kernels: [KernelSummary], _ client: HeaderServerClient, to sink: any ByteSink) async throws {
        let scratch = try ScratchFolder(prefix: "\(ScratchFolder.parent)/kheader-export.")
        defer { scratch.remove() }
        let writer = try ExportFileWriter(sink, kernels: kernels.count)
        try await ProgressBar.show("Exporting") { bar in
            for (number, kernel) in kernels.enumerated() {
                let id = kernel.identity.buildID
                bar.update("Exporting \(number + 1) of \(kernels.count), \("\(id)".prefix(12))")
                let headers = "\(scratch.path)/\(ExportFile.headersName)"
                _ = try await DownloadedFile.save(to: headers) {
                    try await client.download(
                        .tree(kernel.treeDigest), as: .tarZstd, progress: { bar.update($0, of: $1) }, $0)
                }
                let btf =
                    kernel.btfBytes == nil ? nil : try await client.btf(of: id) { source, _ in try source.readAll() }
                let record = ExportFile.Kernel(
                    identity: kernel.identity, source: kernel.source, treeDigest: kernel.treeDigest)
                // What is put away for bad days is looked at on a good one.
                let manifest = try HeaderTreeReader.read(FileSource(path: headers), visitor: ManifestOnly())
                guard manifest.digest == kernel.treeDigest else {
                    throw ExportFileError(
                        code: .damaged, detail: "The server sent another tree for \(id). Run a verify there.")
                }
                try writer.add(record, headers: headers, btf: btf)
            }
        }
        try writer.finish()
    }
}
