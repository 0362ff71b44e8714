internal import ArgumentParser
internal import KernelHeaders

/// How far headers must be trusted to be their kernel's.
struct TrustOptions: ParsableArguments {
    @Option(
        name: .customLong("min-trust"),
        help: ArgumentHelp(
            "Take headers only on the word of an agent, of somebody who pushed them, or of an import of packages.",
            discussion: """
                'import' outranks 'push', which outranks 'agent'. The running kernel's own archive always will do; \
                /lib/modules counts as an agent's word.
                """,
            valueName: "rank"))
    var minimum: HeaderSource?
}
