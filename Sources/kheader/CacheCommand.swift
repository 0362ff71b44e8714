internal import ArgumentParser

struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "The headers and PCHs that are kept on this host.",
        subcommands: [CacheListCommand.self, CacheVerifyCommand.self, CacheCleanCommand.self])
}
