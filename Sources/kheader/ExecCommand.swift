internal import ArgumentParser
internal import HeaderTransport
internal import TracingClient

struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a tool with a kernel's headers.",
        discussion: """
            The headers are fetched if they are not here yet. Then the tool takes this process over, so that its exit \
            code is its own, and signals go to it; 127 says that there is no such program, 126 that it can't be run.

              kheader exec -- bpftrace -e '#include <linux/sched.h> ...'
              kheader exec -- python3 tool-that-uses-bcc.py
              kheader exec --build-id 3f1c... -- bpftrace -d script.bt

            These variables are set, and no others:

              BCC_KERNEL_SOURCE       for bcc
              BPFTRACE_KERNEL_SOURCE  for bpftrace
              BPFTRACE_KERNEL_BUILD   for bpftrace
              BPFTRACE_BTF            for bpftrace, with --btf
              KHEADER_TREE            the tree, for others
              KHEADER_BUILD_ID        the tree's kernel

            Without --btf bpftrace takes types from the running kernel's BTF where it can, and only others from headers.
            sudo drops variables, so put it in front: 'sudo kheader exec -- bpftrace ...'.
            """)

    @OptionGroup var tree: ToolTreeOptions

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The tool and its arguments, after '--'.", valueName: "command"))
    var command: [String]

    func validate() throws {
        // All that comes after the options that are known is taken for the command, and these for its name.
        if let word = command.first, word != "--", word.hasPrefix("-") {
            if ["-h", "--help"].contains(word) { throw CleanExit.helpRequest(self) }
            throw ValidationError("Unknown option '\(word)'. A command stands after '--'.")
        }
        guard !words.isEmpty else {
            throw ValidationError("Say what to run: kheader exec -- bpftrace -e '...'")
        }
    }

    /// Without the `--`.
    private var words: [String] { command.first == "--" ? Array(command.dropFirst()) : command }

    func run() async throws {
        let headers = try await tree.headers()
        if let notice = ToolRequirements.notice(for: words, tree: ToolTree(source: headers.path)) {
            Console.say("kheader: \(notice)")
        }
        try Task.checkCancellation()
        // Until the tool ends, no 'kheader cache clean' takes them away.
        try headers.keepAcrossExec()
        ReplacementProgram(words, setting: headers.environment.variables).start(KHeader.signals)
    }
}
