internal import ArgumentParser
internal import Glibc
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Upload the running kernel's headers, if the server lacks them.",
        discussion: "Asks first, so that a server that has them costs this host one small request.")

    @Option(help: ArgumentHelp("Where this host's / is, for an agent in a container.", valueName: "dir"))
    var root = "/"

    @Option(
        name: .customLong("server"),
        help: ArgumentHelp(
            "A server: http://host:port, https://host, or unix:/path/to/socket. May be given several times.",
            discussion: "Without it, \(ServerAddress.variable) counts; without that, \(ServerAddress.standard).",
            valueName: "url"))
    var urls: [String] = []

    func validate() throws {
        do {
            _ = try servers()
            _ = try timeouts()
        } catch { throw ValidationError("\(error)") }
    }

    func run() async throws {
        let identity = try RunningKernel(root: root).identity
        let kernel = "\(identity.release ?? "kernel of unknown release") (\(identity.buildID))"
        let client = HeaderServerClient(
            servers: try servers(), program: "kheader-agent", timeouts: try timeouts()
        ) { Console.say("kheader-agent: \($0)") }
        if let known = try await client.known(identity.buildID) {
            Console.say("The server has the headers of \(kernel): \(known.files) files, tree \(known.treeDigest).")
            return
        }
        let archive = try KernelArchive(root: root)
        let file = try await BlockingWork.run { try UploadFile(path: archive.path, cancellation: $0) }
        let (receipt, isNew) = try await client.push(file, as: identity, source: .agent)
        let verb = isNew ? "took" : "had by now"
        Console.say("The server \(verb) the headers of \(kernel): \(receipt.files) files, tree \(receipt.treeDigest).")
    }

    private func servers() throws -> [ServerAddress] {
        try ServerAddress.list(options: urls, variable: getenv(ServerAddress.variable).map { String(cString: $0) })
    }

    private func timeouts() throws -> TransferTimeouts {
        try TransferTimeouts(variable: getenv(TransferTimeouts.variable).map { String(cString: $0) })
    }
}

extension HeaderServerClient {
    /// The kernel as the server knows it, or nil if it lacks its headers.
    fileprivate func known(_ id: BuildID) async throws -> KernelSummary? {
        do {
            return try await kernel(id)
        } catch let refusal as ServerRefusal where refusal.status == 404 {
            return nil
        }
    }
}
