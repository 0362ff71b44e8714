internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import KernelProbe
internal import TracingClient

/// Which kernel: the one that runs here, unless another is named.
struct KernelOptions: ParsableArguments {
    @Option(
        name: .customLong("build-id"),
        help: ArgumentHelp("The kernel. Default: the one that runs here.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @Option(
        help: ArgumentHelp(
            "The kernel by its release, as 'uname -r' prints it, if only one has it; else those that have are listed.",
            valueName: "release"))
    var release: String?

    func validate() throws {
        guard buildID == nil || release == nil else {
            throw ValidationError("Name the kernel by --build-id or by --release, not both.")
        }
    }

    /// If the one that runs here can't be told.
    static let advice = "Or give its build ID with --build-id."

    /// Whether it is not just the one that runs here.
    var isNamed: Bool { buildID != nil || release != nil }

    /// - Parameters:
    ///   - client: is called if servers have to be asked.
    ///   - cache: what this host knows of releases, should no server answer; nil for nothing.
    func kernel(_ client: () throws -> HeaderServerClient, _ cache: HeaderCache? = nil) async throws -> BuildID {
        if let buildID { return buildID }
        guard let release else { return try RunningKernel(orElse: Self.advice).identity.buildID }
        let choice = ReleaseChoice(client: try client(), cache: cache, running: try? RunningKernel().identity)
        return try await choice.kernel(release: release)
    }
}
