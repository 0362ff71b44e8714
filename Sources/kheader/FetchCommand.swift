public import ArgumentParser
internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

extension BundleFormat: ExpressibleByArgument {}

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Bring a kernel's headers from a server into a folder or a file.",
        discussion: """
            Every file of the tree is checked while it is unpacked. The folder appears when all of it is there and \
            right; otherwise nothing does. Its path is printed. To have a tool find the headers, 'kheader exec' and \
            'kheader path' need no folder.

              kheader fetch                       the running kernel's, into ./kheaders-BUILDID
              kheader fetch --to /tmp/headers     into a folder of this name
              kheader fetch --build-id 3f1c...    of another kernel
              kheader fetch --format tar.xz       as one file, ./kheaders-BUILDID.tar.xz
              kheader fetch --output - | tar -x --zstd
              kheader fetch --source include/linux/sched.h
            """)

    @OptionGroup var kernel: KernelOptions

    @Option(
        help: ArgumentHelp("A folder that is not there yet, or empty. Default: kheaders-BUILDID.", valueName: "dir"))
    var to: String?

    @Option(help: "Not a folder, but one file of this kind.")
    var format: BundleFormat?

    @Flag(help: "Not the headers, but the kernel's BTF. Default file: vmlinux-BUILDID.btf.")
    var btf = false

    @Option(
        help: ArgumentHelp(
            "Not the whole tree, but one header of it, such as include/linux/sched.h. Default file: standard output.",
            valueName: "path"),
        transform: Self.headerPath)
    var source: HeaderPath?

    @Option(
        help: ArgumentHelp(
            "The file that --format, --btf or --source write; '-' for standard output. Alone it asks for a bundle, of "
                + "the kind that its name ends in, or tar.zst.", valueName: "file"))
    var output: String?

    @OptionGroup var trust: TrustOptions
    @OptionGroup var servers: ServerOptions

    func validate() throws {
        let kinds = [format != nil, btf, source != nil].count { $0 }
        guard kinds <= 1 else { throw ValidationError("--format, --btf and --source each ask for something else.") }
        guard to == nil || kinds == 0 && output == nil else {
            throw ValidationError("--to names a folder for the tree; --output names a file.")
        }
    }

    func run() async throws {
        let client = try servers.client()
        let id = try await kernel.kernel { client }
        let fetched = try await ProgressBar.show("Fetching \("\(id)".prefix(12))") { bar in
            try await fetch(id, client) { bar.update($0, of: $1) }
        }
        if let path = fetched.path { try Console.put(path) }
        Console.say(fetched.report)
    }

    /// What came, to be told when the progress bar is gone.
    private struct Fetched {
        /// Nil for standard output.
        let path: String?
        let report: String
    }

    private func fetch(
        _ id: BuildID, _ client: HeaderServerClient, _ progress: @escaping TransferProgress
    ) async throws -> Fetched {
        if btf {
            return try await save(output ?? "vmlinux-\(id).btf", "BTF of \(id)") {
                // The server says nothing of whose word it has BTF on.
                try RankTooLow.check(.agent, minimum: trust.minimum)
                return try await client.btf(of: id, progress: progress, $0)
            }
        }
        let known = trust.minimum == nil ? nil : try await checked(client, id).treeDigest
        let key = known.map { HeaderServerClient.BundleKey.tree($0) } ?? .kernel(id)
        if let source {
            return try await save(output ?? "-", source.string) { consume in
                let bytes = try await client.source(source, of: key)
                return try await BlockingWork.run { try consume(MemorySource(bytes), $0) }
            }
        }
        if output != nil || format != nil {
            let format = format ?? BundleFormat.allCases.first { output?.hasSuffix(".\($0.rawValue)") ?? false }
            let kind = format ?? .tarZstd
            return try await save(output ?? "kheaders-\(id).\(kind.rawValue)", "headers of \(id)") {
                try await client.download(key, as: kind, progress: progress, $0)
            }
        }
        let tree = try await TreeFetch(client: client, progress: progress).fetch(
            id, tree: known, to: to ?? "kheaders-\(id)")
        return Fetched(
            path: tree.path,
            report: "\(tree.files) files, \(ByteSize.text(tree.bytes)), tree \(tree.treeDigest), each file verified.")
    }

    /// The kernel as the server has it, if that can be trusted as far as the user wants.
    private func checked(_ client: HeaderServerClient, _ id: BuildID) async throws -> KernelSummary {
        let kernel = try await client.kernel(id)
        try RankTooLow.check(kernel.source, minimum: trust.minimum)
        return kernel
    }

    private func save(
        _ file: String, _ what: String, _ fetch: (@escaping DownloadedFile.Consumer) async throws -> Int
    ) async throws -> Fetched {
        guard file != "-" || source != nil || isatty(STDOUT_FILENO) == 0 else {
            throw ValidationError("Standard output is a terminal. Send it into a pipe or a file.")
        }
        let size = try await DownloadedFile.save(to: file, fetch)
        return Fetched(path: file == "-" ? nil : file, report: "\(what): \(ByteSize.text(size)), verified.")
    }

    private static func headerPath(_ text: String) throws -> HeaderPath {
        // As it stands in a tree, or as debuginfod's clients write it.
        guard let path = HeaderPath(String(text.drop { $0 == "/" })) else {
            throw ValidationError("'\(text)' is not the path of a header, such as include/linux/sched.h.")
        }
        return path
    }
}
