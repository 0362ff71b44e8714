public import ArgumentParser
import Glibc
public import HeaderStore
import HeaderTransport
import KernelHeaders

extension TokenRole: ExpressibleByArgument {}

struct TokenCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token, and print its secret, which can't be shown again.",
        discussion: """
            Prints the secret alone on stdout, so that it can go into a file:

              (umask 077; kheaderd token create --state DIR --role agent --label rack-7 > token)
            """)

    @OptionGroup var store: StateOption

    @Option(help: "What its holder may do.")
    var role: TokenRole

    @Option(help: ArgumentHelp("Whose it is, for the list.", valueName: "TEXT"))
    var label: String

    @Option(help: ArgumentHelp("How long it counts: 12h, 90d, 52w. (default: until it is revoked)", valueName: "TIME"))
    var expires: Lifetime?

    func run() throws {
        let now = time(nil)
        let state = try store.folder()
        if access(state, F_OK) != 0 {
            Console.say("\(state) is not there: it is made. A server takes this token with --state \(state) only.")
        }
        let made: (secret: String, token: TokenRecord)
        do {
            made = try store.tokens().create(
                role: role, label: label, expires: expires.map { now + $0.seconds }, now: now)
        } catch let problem as Problem {
            throw ValidationError(problem.detail)
        }
        let until = made.token.expires.map { "until \(UTCTime.text($0))" } ?? "until it is revoked"
        Console.say("Token \(made.token.id) of role \(role.rawValue), good \(until):")
        try Console.put(made.secret)
    }
}
