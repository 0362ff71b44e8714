public import ArgumentParser
internal import HeaderTransport
internal import TracingClient

extension ShellDialect: ExpressibleByArgument {}

/// The forms of what a shell or a program is to read.
enum ShellFormat: String, ExpressibleByArgument, CaseIterable {
    case shell, json
}

struct EnvCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env",
        abstract: "Print the variables that lead tools to a kernel's headers.",
        discussion: """
            They are those that 'kheader exec' sets. --format json prints an object.

              eval "$(kheader env)"              sh, bash, zsh
              eval `kheader env --shell csh`     csh, tcsh
              kheader env --shell fish | source  fish
            """)

    @Option(help: "Whose: sh, csh or fish.")
    var shell = ShellDialect.sh

    @Option(help: "How: shell, or json.")
    var format = ShellFormat.shell

    @OptionGroup var tree: ToolTreeOptions

    func run() async throws {
        let variables = try await tree.headers().environment.variables
        switch format {
        case .shell:
            try Console.put(variables.map { shell.assignment($0.name, $0.value) }.joined(separator: "\n"))
        case .json:
            try Console.put(
                JSONText.text(Dictionary(variables.map { ($0.name, $0.value) }) { $1 }, isPretty: true))
        }
    }
}
