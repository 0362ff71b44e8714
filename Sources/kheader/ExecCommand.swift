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

            With --pch bcc and clang start several times faster: they get headers that the server has precompiled for \
            their very clang. BCC_KERNEL_SOURCE then names a folder with the PCH and empty files, and clang is given its \
            flags right after its name. bpftrace can't use a PCH, and gets the headers.

              kheader exec --pch -- python3 tool-that-uses-bcc.py
              kheader exec --pch -- clang -O2 -emit-llvm -c prog.c -o prog.bc

            A PCH is never the last word. Where there is none, where a program defines macros before it includes headers, \
            or includes others, the tool gets the full headers; and if its compiler complains and it fails, it is run again \
            with them. Only before it gets them each of their files is looked at; until then the folders are, as by 'kheader path'. \
            What a program includes is looked for in the files that the command names. The tool's standard error \
            passes through this process then, and is no terminal to it.
            """)

    @Flag(help: "Give bcc or clang headers that are precompiled, if there are some that fit.")
    var pch = false

    @Flag(name: .customLong("no-headers"), help: "With --pch: fetch no headers beside; if they are needed, fail.")
    var noHeaders = false

    @OptionGroup var options: PCHOptions
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
        guard pch || !noHeaders && options.isEmpty else {
            throw ValidationError("--no-headers, --umbrella, --accept-builders and --pch-wait say something of --pch.")
        }
        guard !noHeaders || !tree.btf else {
            throw ValidationError("--btf is for bpftrace, which --no-headers leaves without headers.")
        }
    }

    /// Without the `--`.
    private var words: [String] { command.first == "--" ? Array(command.dropFirst()) : command }

    func run() async throws {
        guard pch else { try start(words, with: await tree.headers()) }
        let execution = try await PrecompiledExecution(words, options, tree, isWithoutHeaders: noHeaders)
        try await execution.run()
    }

    private func start(_ words: [String], with headers: ReadyHeaders) throws -> Never {
        if let notice = ToolRequirements.notice(for: words, tree: ToolTree(source: headers.path)) {
            Console.say("kheader: \(notice)")
        }
        try Task.checkCancellation()
        // Until the tool ends, no 'kheader cache clean' takes them away.
        try headers.keepAcrossExec()
        ReplacementProgram(words, setting: headers.environment.variables).start(KHeader.signals)
    }
}
