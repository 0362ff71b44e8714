internal import ArgumentParser
internal import HeaderTransport
internal import TracingClient

struct PathCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path",
        abstract: "Print the folder with a kernel's headers, fetched if they are not here yet.",
        discussion: """
            The folder has include/ and arch/, is verified and read-only, and stays the same for this kernel. Of one that \
            is here already only folders are looked at, to be quick; 'kheader exec' looks at each file, and 'kheader \
            cache verify' reads them.

              clang -I "$(kheader path)/include" ...
            """)

    @Flag(help: "Print the file with the kernel's BTF instead.")
    var btf = false

    @OptionGroup var tree: TreeOptions

    func run() async throws {
        try Console.put(btf ? try await tree.btf().path : try await tree.headers(look: .folders).path)
    }
}
