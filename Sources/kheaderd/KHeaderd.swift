import ArgumentParser
import Glibc
import HeaderServer
import KernelHeaders

struct KHeaderd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kheaderd",
        abstract: "Keeps the headers of every kernel of a fleet, and serves them by build ID.",
        discussion: """
            Start it with a folder for its store, then push headers to it and fetch them from it:

              kheaderd serve --state /var/lib/kheaderd
              kheader push /sys/kernel/kheaders.tar.xz
              kheader fetch

            Before other hosts can reach it, it needs tokens: kheaderd token create.

            Exit codes: 0 done, 1 failed, 2 usage.
            """,
        version: ReleaseVersion.current,
        subcommands: [Serve.self, Token.self, Rebuild.self])
}

@main
enum Program {
    static func main() async {
        do {
            var command = try KHeaderd.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as SettingsError {
            // Not the parser's: it would show the usage of the program, not that of the subcommand.
            StandardOutput.write(
                "Error: \(error)\n  See 'kheaderd serve --help' for more information.\n", to: STDERR_FILENO)
            exit(2)
        } catch {
            // The parser's own code for a mistake on the command line is 64 (sysexits); ours is 2, as most tools'.
            let code = KHeaderd.exitCode(for: error)
            let text = KHeaderd.fullMessage(for: error)
            if code == .success {
                StandardOutput.write(text + "\n")
            } else if !text.isEmpty {
                StandardOutput.write(text + "\n", to: STDERR_FILENO)
            }
            exit(code == .validationFailure ? 2 : code.rawValue)
        }
    }
}
