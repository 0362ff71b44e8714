internal import ArgumentParser

struct PCHCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pch",
        abstract: "Headers that a server has precompiled, for bcc and clang.",
        discussion: """
            A PCH spares a compiler the reading of headers, most of the time that a small program takes. It is good for one \
            kernel, one exact clang, and one set of flags. 'kheader exec --pch' does all of this for one command; bpftrace \
            can't use a PCH.

              eval "$(kheader pch --for bcc --umbrella net)"
              clang-19 $(kheader pch --for clang --clang clang-19 --umbrella sched) -O2 -c program.c

            The options of these: see 'kheader pch fetch --help'.
            """,
        subcommands: [PCHFetchCommand.self, PCHListCommand.self, PCHBuildCommand.self],
        defaultSubcommand: PCHFetchCommand.self)
}
