internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import PrecompiledHeaders
internal import TracingClient

struct PCHListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what the server can make PCHs with: its clangs, and the headers that go together.",
        discussion: """
            PROFILES are what a clang can compile as: 'clang-x86' as 'kheader flags --for clang' says it, 'bpf' for \
            'clang -target bpf', 'bcc-…' as that bcc does. --format json prints the server's document.
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let list = try await servers.client().toolchains()
        switch format {
        case .table: try Console.put(Self.table(list))
        case .json: try Console.put(JSONText.text(list, isPretty: true))
        }
        if let off = list.off { Console.say("kheader: The server makes no PCHs: \(off)") }
    }

    static func table(_ list: ToolchainList) -> String {
        var toolchains = TextTable([
            .init("TOOLCHAIN"), .init("PACKAGE"), .init("TARGET"), .init("PROFILES"), .init("ID"),
        ])
        for entry in list.toolchains {
            toolchains.add([
                entry.toolchain.version, entry.toolchain.package ?? "", entry.toolchain.target,
                entry.profiles.map(\.name).joined(separator: " "), "\("\(entry.toolchain.id)".prefix(12))",
            ])
        }
        var umbrellas = TextTable([.init("UMBRELLA"), .init("HEADERS")])
        for umbrella in list.umbrellas { umbrellas.add([umbrella.name, umbrella.headers.joined(separator: " ")]) }
        return "\(toolchains.text)\n\n\(umbrellas.text)"
    }
}
