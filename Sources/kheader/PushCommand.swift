internal import ArgumentParser
internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe

struct PushCommand: AsyncParsableCommand {
    /// Where a running kernel offers its own headers (`CONFIG_IKHEADERS`).
    static let kernelsOwnArchive = "/sys/kernel/kheaders.tar.xz"
    /// Where it offers its own BTF (`CONFIG_DEBUG_INFO_BTF`).
    static let kernelsOwnBTF = "/sys/kernel/btf/vmlinux"

    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Send a kernel's headers to the server.",
        discussion: """
            An archive is sent as it is. Of a folder the headers below include/ and arch/ARCH/include/ are packed \
            first. Standard output has one line: the build ID, the tree digest, and 'created' or 'known', or 'healed' \
            if damage of the server's disk had taken something of the tree. BTF, which has \
            a line of its own, lets tools find types without headers.

            A folder that looks like a part of a tree is not sent: one without include/linux/kconfig.h or \
            include/generated/autoconf.h, or with links that lead nowhere. A server keeps the first tree of a kernel.

              kheader push \(kernelsOwnArchive) --btf \(kernelsOwnBTF)
              kheader push headers.tar.zst --build-id 3f1c... --release 6.1.0-custom
              kheader push /usr/src/linux --build-dir /usr/src/build --build-id 3f1c...
            """)

    @Argument(
        help: ArgumentHelp(
            "A tar of headers (xz, zstd, gzip or plain), or a kernel's source or headers folder.",
            valueName: "archive|dir"))
    var path: String?

    @Option(help: ArgumentHelp("The kernel's raw BTF; with or without headers.", valueName: "file"))
    var btf: String?

    @Option(
        name: .customLong("build-id"),
        help: ArgumentHelp(
            "The kernel that the headers belong to. May be left out for \(kernelsOwnArchive) and \(kernelsOwnBTF) only, "
                + "as nothing in other files tells.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @Option(help: ArgumentHelp("The kernel's release, as 'uname -r' prints it there.", valueName: "release"))
    var release: String?

    @Option(
        name: .customLong("build-dir"),
        help: ArgumentHelp(
            "The build half of a source and build pair: the folder with the generated headers.", valueName: "dir"))
    var buildFolder: String?

    @Flag(help: "Send a folder even if it looks like a part of a tree.")
    var incomplete = false

    @Option(help: ArgumentHelp("The folder below arch/ to take, where there are several.", valueName: "name"))
    var arch: String?

    @Option(help: "What standard output has: text, or the server's receipt as json.")
    var format = ReceiptFormat.text

    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard path != nil || btf != nil else {
            throw ValidationError("Name an archive or a folder of headers, or --btf.")
        }
        let foreign = [path, btf].compactMap { $0 }.filter {
            ![Self.kernelsOwnArchive, Self.kernelsOwnBTF].contains($0)
        }
        guard buildID != nil || foreign.isEmpty else {
            throw ValidationError(
                "Say with --build-id which kernel \(foreign[0]) belongs to; "
                    + "only \(Self.kernelsOwnArchive) and \(Self.kernelsOwnBTF) are surely the running one's.")
        }
    }

    func run() async throws {
        let identity = try identity()
        let upload = HeaderUpload(client: try servers.client(), source: .push, format: format)
        if let path { try await upload.send(try await headers(path), as: identity) }
        if let btf {
            let file = try await BlockingWork.run { try UploadFile(path: btf, cancellation: $0) }
            try await upload.send(btf: file, of: identity)
        }
    }

    private func headers(_ path: String) async throws -> UploadFile {
        try await ProgressBar.show("Reading \(path)") { bar in
            try await BlockingWork.run { [buildFolder, arch, incomplete] cancellation in
                guard buildFolder != nil || Self.isFolder(path) else {
                    return try UploadFile(path: path, cancellation: cancellation)
                }
                let folder = try HeaderFolder(source: path, build: buildFolder, sourceArchitecture: arch)
                return try UploadFile(
                    packing: folder, name: path, cancellation: cancellation, progress: { bar.update($0, of: $1) },
                    check: { try Self.check($0, path, isPartAllowed: incomplete) })
            }
        }
    }

    private static func check(_ tree: TreeManifest, _ path: String, isPartAllowed: Bool) throws {
        let doubts = TreeDoubts(tree)
        if let flaws = doubts.flaws {
            guard isPartAllowed else { throw PartOfTree(path: path, flaws: flaws) }
            Console.say("Warning: \(path) looks like a part of a tree: \(flaws).")
        }
        if let empty = doubts.empty { Console.say("Warning: empty in \(path): \(empty).") }
    }

    private func identity() throws -> KernelIdentity {
        guard let buildID else {
            return try RunningKernel(orElse: KernelOptions.advice).identity.labelled(release)
        }
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
