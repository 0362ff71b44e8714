internal import ArgumentParser
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders

struct StoreImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Send the kernels of an export to the server.",
        discussion: """
            Takes a file of 'kheader store export'. It is read twice: all of it is held against its digests before anything \
            is sent. Each kernel keeps its source, and so its rank: that takes an operator's token. A kernel that the server \
            has with other headers stays as it is, and the exit code is 4 then; the others are sent. Standard output has a \
            line for each kernel and BTF, as of 'kheader push'.
            """)

    @Argument(help: ArgumentHelp("A file of 'kheader store export'; '-' for standard input.", valueName: "file"))
    var file: String

    @Option(help: "What standard output has: text, or the server's receipts as json, a line each.")
    var format = ReceiptFormat.text

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        let folder = try ScratchFolder(prefix: "\(ScratchFolder.parent)/kheader-import.")
        defer { folder.remove() }
        let path = try await seekable(folder)
        try await ProgressBar.show("Checking \(file)") { _ in
            let reader = try ExportFileReader(path, scratch: folder)
            while try reader.next() != nil {}
        }
        var refused: ServerRefusal?
        var count = 0
        let reader = try ExportFileReader(path, scratch: folder)
        while let next = try reader.next() {
            let identity = next.kernel.identity
            // What a newer server calls it is not known here; a host's word is the least.
            let source = next.kernel.source == .unknown ? .agent : next.kernel.source
            let upload = HeaderUpload(client: client, source: source, format: format)
            let headers = try await BlockingWork.run { try UploadFile(path: next.headers, cancellation: $0) }
            do {
                try await upload.send(headers, as: identity)
                if let btf = next.btf {
                    let file = try await BlockingWork.run {
                        try UploadFile(bytes: btf, name: "BTF of \(identity.buildID)", cancellation: $0)
                    }
                    try await upload.send(btf: file, of: identity)
                }
                count += 1
            } catch let refusal as ServerRefusal where refusal.status == 409 {
                Console.say("\(identity.buildID): \(refusal)")
                refused = refused ?? refusal
            }
        }
        if let refused { throw refused }
        Console.say("\(count == 1 ? "1 kernel" : "\(count) kernels"): the server has all of them.")
    }

    /// A file that can be read twice.
    private func seekable(_ folder: ScratchFolder) async throws -> String {
        try await BlockingWork.run { [file] cancellation in
            let file = file == "-" ? "/dev/stdin" : file
            guard try !FileSize.isRegular(file) else { return file }
            let copy = "\(folder.path)/export"
            _ = try StagedFile.copy(file, to: copy, cancellation)
            return copy
        }
    }
}
