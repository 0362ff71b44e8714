public import ArgumentParser
internal import HeaderTransport
internal import PrecompiledHeaders
internal import TracingClient

extension TracingTool: ExpressibleByArgument {}

struct FlagsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flags",
        abstract: "Print the compiler flags for a kernel's headers, in the order a tool has them.",
        discussion: """
            On one line, quoted for sh where that is needed; --format json prints an array. All paths are absolute.

            A BPF program that includes kernel headers is compiled for the kernel's own machine, whose assembler is in \
            the headers, and then turned into BPF, as the kernel's samples/bpf do it:

              clang $(kheader flags --for clang) -O2 -emit-llvm -c prog.c -o prog.bc
              clang -target bpf -O2 -c prog.bc -o prog.o
            """)

    @Option(name: .customLong("for"), help: ArgumentHelp("Whose: clang, bcc or bpftrace.", valueName: "tool"))
    var tool = TracingTool.clang

    @Option(help: "How: shell, or json.")
    var format = ShellFormat.shell

    @OptionGroup var tree: TreeOptions

    func run() async throws {
        let flags = try await tree.headers().flags(for: tool).arguments
        switch format {
        case .shell: try Console.put(ShellDialect.sh.line(flags))
        case .json: try Console.put(JSONText.text(flags, isPretty: true))
        }
    }
}
