internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import TracingClient

struct KernelsUnpinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Let a kernel be deleted again.",
        discussion: "It takes a token of role 'operator', on a server that wants tokens.")

    @OptionGroup var kernel: KnownKernelArgument
    @OptionGroup var servers: ServerOptions

    func run() async throws {
        try await servers.client().unpin(kernel.buildID)
        Console.say("kheader: \(kernel.buildID) is not pinned any more.")
    }
}
