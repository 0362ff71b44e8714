import ArgumentParser

struct Token: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list and revoke the tokens that say who may ask.",
        discussion: """
            They are in the store's folder. A server that runs knows of a change within a second.

            An agent's token reports a host's kernel and uploads its headers and BTF; a client's reads everything; a \
            builder's reads everything and posts PCHs; an operator's does everything. Programs take theirs from a file (--token-file, KHEADER_TOKEN_FILE) or from \
            KHEADER_TOKEN; curl sends one with: -H "Authorization: Bearer $(cat FILE)"
            """,
        subcommands: [TokenCreate.self, TokenList.self, TokenRevoke.self])
}
