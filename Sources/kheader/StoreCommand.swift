internal import ArgumentParser
internal import TracingClient

struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "What the server keeps on its disk.",
        subcommands: [
            StoreStatusCommand.self, StoreVerifyCommand.self, StoreCollectCommand.self, StoreRepackCommand.self,
            StoreExportCommand.self, StoreImportCommand.self,
        ])
}
