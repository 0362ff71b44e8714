internal import ArgumentParser
internal import HeaderArchive
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders

struct CollectCommand: AsyncParsableCommand, HostCommand {
    static let configuration = CommandConfiguration(
        commandName: "collect",
        abstract: "Copy the running kernel's headers into a file, for a host that reaches no server.",
        discussion: """
            Looks where 'run' looks, in the same order. Another host sends the file with \
            'kheader push FILE --build-id ID'. The ID is printed.
            """)

    @Option(
        help: ArgumentHelp(
            "The file to make, or - for standard output. A file that is there is replaced, in one step; a device is written to.",
            valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Where to put the kernel's BTF, too.", valueName: "file"))
    var btf: String?

    @Flag(help: "Print what was found as JSON.")
    var json = false

    @OptionGroup var options: AgentOptions
    var module = PreparedModule()
    static let loadsModules = true
    static let writesFiles = true

    private struct Collected: Codable {
        var kernel: KernelIdentity
        var steps: [CollectStep]
        var origin: HeaderOrigin?
        var digest: Digest?
        var bytes: Int?
    }

    func validate() throws {
        guard output != "-" || !json else { throw ValidationError("--json and --output - both want standard output.") }
    }

    func run() async throws {
        let settings = try options.settings()
        let log = AgentLog.standardError(least: try settings.logLevel())
        let host = try LocalHost(root: settings.root, salt: settings.salt, module: module.access)
        let collected = try await host.collect(.headers)
        for step in collected.steps {
            log(
                step.outcome == .notNeeded ? .debug : .info, "\(step.origin.rawValue): \(step.outcome.rawValue)",
                step.detail)
        }
        let found = collected.found
        if let found { try await save(found.file, to: output) }
        if let btf { try await saveBTF(of: host, to: btf) }
        if json {
            let document = Collected(
                kernel: host.kernel, steps: collected.steps, origin: found?.origin, digest: found?.file.digest,
                bytes: found?.file.size)
            try Console.put(JSONText.text(document, isPretty: true))
        } else if output != "-", found != nil {
            try Console.put("\(host.kernel.buildID)")
        }
        guard let found else {
            throw Problem(
                .kernelHasNoHeaders,
                "This host has no headers that are proven to be those of \(host.kernel.release ?? "its kernel") (\(host.kernel.buildID)). "
                    + "Where it looked is said above; 'kheader-agent doctor' says it, too.")
        }
        log(
            .info, "\(output): \(ByteSize.text(found.file.size))",
            "the headers of \(host.kernel.release ?? "this kernel")")
    }

    private func saveBTF(of host: LocalHost, to path: String) async throws {
        guard let found = try await host.collect(.btf).found else {
            throw Problem(.kernelHasNoHeaders, "This kernel has no BTF (/sys/kernel/btf/vmlinux).")
        }
        try await save(found.file, to: path)
    }

    private func save(_ file: UploadFile, to path: String) async throws {
        _ = try await DownloadedFile.save(to: path) { consume in
            try await BlockingWork.run { try consume(file.source(), $0) }
        }
    }
}
