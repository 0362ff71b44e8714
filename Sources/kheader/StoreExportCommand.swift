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

            --all leaves out kernels of whose headers damage of the server's disk took something; it names them, and those whose \
            BTF is lost, and the exit code is 1 though the file is written.

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
        let (kernels, damaged) = try await kernels(client)
        // A backup of a server that was wiped must not replace the last good one.
        guard !kernels.isEmpty else {
            throw ExportFileError(
                code: .empty,
                detail: damaged.isEmpty
                    ? "The server has no headers of any kernel: nothing is written. Is it the right server?"
                    : "The headers of all \(damaged.count) kernels are damaged: nothing is written.")
        }
        let place = DownloadedFile.followed(output)
        guard try DownloadedFile.isReplaced(place) else {
            guard output != "-" || isatty(STDOUT_FILENO) == 0 else {
                throw ValidationError("Standard output is a terminal. Send it into a pipe or a file.")
            }
            let file = try DownloadedFile.open(place)
            defer { close(file) }
            try await export(kernels, client, to: FileSink(borrowing: file))
            Console.say("kheader: \(Self.count(kernels)).")
            return try Self.requireWhole(damaged)
        }
        let file = try ScratchFile(prefix: "\(place).")
        defer { close(file.descriptor) }
        do {
            try await export(kernels, client, to: FileSink(borrowing: file.descriptor))
            try SystemCallError.check("fsync", place) { fsync(file.descriptor) }
            try file.publish(as: place)
        } catch {
            unlink(file.path)
            throw error
        }
        try Console.put(output)
        Console.say("kheader: \(Self.count(kernels)), \(ByteSize.text(try FileSize.of(output))).")
        try Self.requireWhole(damaged)
    }

    /// - Throws: ``ExportFileError`` if something could not be exported, which it names.
    private static func requireWhole(_ damaged: [KernelEntry]) throws {
        guard !damaged.isEmpty else { return }
        for kernel in damaged {
            let lost =
                kernel.damaged.contains(.headers) ? "is not in the export, its headers are damaged" : "has lost its BTF"
            Console.say("kheader: \(name(kernel.identity)) \(lost).")
        }
        throw ExportFileError(
            code: .incomplete,
            detail:
                "The export is written, without what damage of the server's disk took. Upload that again, then export again."
        )
    }

    private static func name(_ kernel: KernelIdentity) -> String {
        kernel.release.map { "\($0) (\(kernel.buildID))" } ?? "\(kernel.buildID)"
    }

    private static func count(_ kernels: [KernelSummary]) -> String {
        kernels.count == 1 ? "1 kernel" : "\(kernels.count) kernels"
    }

    /// What is to be exported, and of what of it, or beside it, something is lost.
    private func kernels(_ client: HeaderServerClient) async throws -> ([KernelSummary], damaged: [KernelEntry]) {
        var kernels: [KernelSummary] = []
        var damaged: [KernelEntry] = []
        if all {
            var query = KernelQuery()
            query.hasHeaders = true
            let entries = try await client.allKernels(query)
            kernels = entries.filter { !$0.damaged.contains(.headers) }.compactMap(\.summary)
            damaged = entries.filter { !$0.damaged.isEmpty }
        }
        for id in Set(buildIDs) {
            let entry = try await client.detail(of: id).entry
            // One without headers is refused, with the reason.
            if let summary = entry.summary { kernels.append(summary) } else { _ = try await client.kernel(id) }
            if !entry.damaged.isEmpty { damaged.append(entry) }
        }
        return (kernels.sorted { "\($0.identity.buildID)" < "\($1.identity.buildID)" }, damaged)
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
                do {
                    _ = try await DownloadedFile.save(to: headers) {
                        try await client.download(
                            .tree(kernel.treeDigest), as: .tarZstd, progress: { bar.update($0, of: $1) }, $0)
                    }
                } catch let refusal as ServerRefusal where refusal.problemCode == .storeDamaged {
                    Console.say(
                        "kheader: the headers of \(Self.name(kernel.identity)) are damaged on the server. After kheader store "
                            + "verify, --all leaves them out.")
                    throw refusal
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
