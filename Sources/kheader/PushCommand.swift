internal import ArgumentParser
internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe

struct PushCommand: AsyncParsableCommand {
    /// Where a running kernel offers its own headers (`CONFIG_IKHEADERS`).
    static let kernelsOwnArchive = "/sys/kernel/kheaders.tar.xz"

    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Send a kernel's headers to the server.",
        discussion: """
            An archive is sent as it is. Of a folder the headers below include/ and arch/ARCH/include/ are packed \
            first. Standard output has one line: the build ID, the tree digest, and 'created' or 'known'.

              kheader push \(kernelsOwnArchive)
              kheader push headers.tar.zst --build-id 3f1c... --release 6.1.0-custom
              kheader push /usr/src/linux --build-dir /usr/src/build --build-id 3f1c...
            """)

    @Argument(
        help: ArgumentHelp(
            "A tar of headers (xz, zstd, gzip or plain), or a kernel's source or headers folder.",
            valueName: "archive|dir"))
    var path: String

    @Option(
        name: .customLong("build-id"),
        help: ArgumentHelp(
            "The kernel that the headers belong to. May be left out for \(kernelsOwnArchive) only, as nothing in other "
                + "archives tells.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @Option(help: ArgumentHelp("The kernel's release, as 'uname -r' prints it there.", valueName: "release"))
    var release: String?

    @Option(
        name: .customLong("build-dir"),
        help: ArgumentHelp(
            "The build half of a source and build pair: the folder with the generated headers.", valueName: "dir"))
    var buildFolder: String?

    @Option(help: ArgumentHelp("The folder below arch/ to take, where there are several.", valueName: "name"))
    var arch: String?

    @Option(help: "What standard output has: text, or the server's receipt as json.")
    var format = ReceiptFormat.text

    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard buildID != nil || path == Self.kernelsOwnArchive else {
            throw ValidationError(
                "Say with --build-id which kernel \(path) belongs to; "
                    + "only \(Self.kernelsOwnArchive) is surely the running one's."
            )
        }
    }

    func run() async throws {
        let identity = try identity()
        let client = try servers.client()
        let file = try await ProgressBar.show("Reading \(path)") { bar in
            try await BlockingWork.run { [path, buildFolder, arch] cancellation in
                guard buildFolder != nil || Self.isFolder(path) else {
                    return try UploadFile(path: path, cancellation: cancellation)
                }
                let folder = try HeaderFolder(source: path, build: buildFolder, sourceArchitecture: arch)
                return try UploadFile(packing: folder, name: path, cancellation: cancellation) {
                    bar.update($0, of: $1)
                }
            }
        }
        try await HeaderUpload(client: client, source: .push, format: format).send(file, as: identity)
    }

    private func identity() throws -> KernelIdentity {
        guard let buildID else { return try RunningKernel().identity.labelled(release) }
        // Where the running kernel cannot be read it is simply not the one.
        if let running = try? RunningKernel().identity, running.buildID == buildID { return running.labelled(release) }
        return KernelIdentity(buildID: buildID, release: release)
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

extension KernelIdentity {
    /// The same kernel, with another release if one is given.
    fileprivate func labelled(_ release: String?) -> KernelIdentity {
        var identity = self
        identity.release = release ?? identity.release
        return identity
    }
}
