internal import ArgumentParser
internal import HeaderTransport
internal import PrecompiledHeaders
internal import TracingClient

struct PCHFetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Bring a PCH into the cache, and print how a tool takes it.",
        discussion: """
            For clang the flags are printed, on one line, quoted for sh where that is needed; for bcc a line that sets its \
            variable. With --format json they are an array, or an object. What the flags name is checked now, and not again \
            when it is used: 'kheader exec --pch' does, and helps itself when a program and a PCH don't go together.

              clang $(kheader pch --for clang --umbrella net) -O2 -emit-llvm -c prog.c -o prog.bc
              eval "$(kheader pch --for bcc --umbrella sched)"

            The flags are for the default target of clang; with --bpf for 'clang -target bpf'. bpftrace can't use a PCH. \
            Exit code 3 says that there is no such PCH, and why: where headers do not compile, in the compiler's own words.
            """)

    /// Who calls this wants the PCH, and has nothing else to do.
    private static let standardWait = 300

    @OptionGroup var tool: PCHToolOptions

    @Option(help: "Whose: sh, csh or fish.")
    var shell = ShellDialect.sh

    @Option(help: "How: shell, or json.")
    var format = ShellFormat.shell

    @OptionGroup var options: PCHOptions
    @OptionGroup var kernel: KernelOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let cache = try cache.open()
        let tool = try await self.tool.tool(remembering: cache)
        let id = try await kernel.kernel(servers.client, cache)
        let wish = PCHFinder.Wish(umbrella: options.umbrella ?? Umbrella.all.name)
        let entry = try await options.pch(of: id, for: tool, wish, in: cache, servers, standardWait: Self.standardWait)
        switch (self.tool.name, format) {
        case (.clang, .shell): try Console.put(shell.line(entry.arguments))
        case (.clang, .json): try Console.put(JSONText.text(entry.arguments, isPretty: true))
        case (_, .shell): try Console.put(shell.assignment(ToolEnvironment.bccSource, entry.stubs))
        case (_, .json): try Console.put(JSONText.text([ToolEnvironment.bccSource: entry.stubs], isPretty: true))
        }
    }
}
