import ArgumentParser

@main
struct KHeaderd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kheaderd",
        abstract: "Keeps the headers of every kernel of a fleet, and serves them by build ID.",
        discussion: """
            Start it with a folder for its store, then push headers to it and fetch them from it:

              kheaderd serve --state /var/lib/kheaderd
              kheader push /sys/kernel/kheaders.tar.xz
              kheader fetch

            Exit codes: 0 done, 1 failed, 2 usage.
            """,
        subcommands: [Serve.self, Rebuild.self])
}
