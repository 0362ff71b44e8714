import ArgumentParser
import FoundationEssentials
import Glibc
import HeaderStore
import HeaderTransport
import KernelHeaders

struct TokenList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the tokens, without their secrets.",
        discussion: "Times are UTC. --format json prints an array, with times in seconds since 1970.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @OptionGroup var store: StateOption

    @Option(help: "How: table, or json.")
    var format = Format.table

    private struct Row: Encodable {
        let id: String
        let role: TokenRole
        let label: String
        let created: Int
        let expires, revoked: Int?
        let state: TokenRecord.State

        init(_ token: TokenRecord, now: Int) {
            (id, role, label, created) = (token.id, token.role, token.label, token.created)
            (expires, revoked, state) = (token.expires, token.revoked, token.state(at: now))
        }
    }

    func run() throws {
        let now = time(nil)
        let rows = try store.tokens().read().map { Row($0, now: now) }
        switch format {
        case .table: try Console.put(Self.table(rows))
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.put(String(decoding: try encoder.encode(rows), as: UTF8.self))
        }
    }

    private static func table(_ rows: [Row]) -> String {
        var table = TextTable([
            .init("ID"), .init("ROLE"), .init("LABEL"), .init("CREATED"), .init("EXPIRES"), .init("STATE"),
        ])
        for row in rows {
            table.add([
                row.id, row.role.rawValue, row.label, UTCTime.text(row.created), row.expires.map(UTCTime.text) ?? "",
                row.state.rawValue,
            ])
        }
        return table.text
    }
}
