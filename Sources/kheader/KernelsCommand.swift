internal import ArgumentParser

struct KernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels", abstract: "The kernels that the server knows.", subcommands: [KernelsListCommand.self])
}
