import ArgumentParser
import Glibc
import HeaderStore
import HeaderTransport

struct TokenRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Make a token one that does not count any more.",
        discussion: "A server that runs refuses it within a second. The token stays in the list.")

    @OptionGroup var store: StateOption

    @Argument(help: ArgumentHelp("The token's ID, as the list has it.", valueName: "ID"))
    var id: String

    func run() throws {
        guard let token = try store.tokens().revoke(id, now: time(nil)) else {
            Console.say("There is no token with this ID (not the secret). See them with: kheaderd token list")
            throw ExitCode.failure
        }
        Console.say("Revoked token \(token.id) of role \(token.role.rawValue), \(token.label).")
    }
}
