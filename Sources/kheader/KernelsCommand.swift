internal import ArgumentParser

struct KernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels", abstract: "The kernels that the server knows.",
        discussion: """
            To pin, unpin, delete and prune takes a token of role 'operator', on a server that wants tokens. Of several servers, the \
            first one that answers is asked, and changed.
            """,
        subcommands: [
            KernelsListCommand.self, KernelsShowCommand.self, KernelsHostsCommand.self, KernelsConflictsCommand.self,
            KernelsPinCommand.self, KernelsUnpinCommand.self, KernelsDeleteCommand.self, KernelsPruneCommand.self,
        ])
}
