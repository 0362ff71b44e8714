internal import ArgumentParser
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Send the headers of a distribution's kernels, from its packages.",
        discussion: """
            A kernel needs its image package, which the build ID comes out of, and its header packages. They may be given \
            in any order, those of several kernels together. Standard output has one line a kernel: the build ID, the \
            tree digest, and 'created', 'known', or 'healed' if damage of the server's disk had taken something of it.

              kheader import linux-image-6.1.0-56-amd64_*.deb linux-headers-6.1.0-56-*.deb
            """)

    @Argument(help: ArgumentHelp("Debian packages.", valueName: "package.deb"))
    var packages: [String]

    @Option(help: "What standard output has: text, or the server's receipts as json, a line each.")
    var format = ReceiptFormat.text

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let upload = HeaderUpload(client: try servers.client(), source: .import, format: format)
        let found = try await ProgressBar.show("Reading kernel images") { bar in
            try await BlockingWork.run { [packages] _ in
                try KernelPackages(paths: packages) { bar.update($0.bytesRead, of: $0.bytesTotal) }
            }
        }
        for package in found.ignored { Console.say("Not used: \(package.path): \(package.reason).") }
        for kernel in found.kernels {
            let file = try await ProgressBar.show("Unpacking \(kernel.release)") { bar in
                try await BlockingWork.run { try Self.pack(kernel, bar, $0) }
            }
            try await upload.send(file, as: kernel.identity)
            guard let btf = kernel.btf else { continue }
            let types = try await BlockingWork.run {
                try UploadFile(bytes: btf, name: "BTF of \(kernel.release)", cancellation: $0)
            }
            do {
                try await upload.send(btf: types, of: kernel.identity)
            } catch let refusal as ServerRefusal {
                // The headers are what counts, and other kernels may follow.
                Console.say("\(kernel.release): the server did not take the BTF: \(refusal)")
            }
        }
    }

    private static func pack(_ kernel: DistributionKernel, _ bar: ProgressBar, _ cancellation: Cancellation) throws
        -> UploadFile
    {
        let folder = try ScratchFolder(prefix: "\(ScratchFolder.parent)/kheader-import.")
        defer { folder.remove() }
        try kernel.unpackHeaders(into: folder.path) { bar.update($0.bytesRead, of: $0.bytesTotal) }
        try cancellation.check()
        let headers = try HeaderFolder(
            source: "\(folder.path)/source", build: "\(folder.path)/build",
            sourceArchitecture: kernel.identity.architecture?.sourceFolder)
        return try UploadFile(packing: headers, name: kernel.release, cancellation: cancellation) {
            bar.update($0, of: $1)
        }
    }
}
