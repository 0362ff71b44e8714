internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct KernelsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show all that the server knows of one kernel.",
        discussion: """
            What can be downloaded, with its size where it is at hand; whose word the headers are; why they are missing, as the \
            hosts' agents say; what conflicts with it. --format json prints the server's document.
            """)

    @OptionGroup var kernel: KnownKernelArgument

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let detail = try await servers.client().detail(of: kernel.buildID)
        switch format {
        case .table: try Console.put(Self.text(detail, width: Console.outputColumns))
        case .json: try Console.put(JSONText.text(detail, isPretty: true))
        }
    }

    /// The most files that are named of those that are lost.
    private static let shownPaths = 5

    static func text(_ detail: KernelDetail, width: Int) -> String {
        let entry = detail.entry
        var lines = LabelledLines(width: width, label: 14)
        func add(_ label: String, _ text: String?) { if let text { lines.add(label, [text]) } }
        add("build ID", "\(entry.identity.buildID)")
        add("release", entry.identity.release)
        add("version", entry.identity.versionLine)
        add("architecture", entry.identity.architecture?.machine)
        add("distribution", entry.distribution)
        add(
            "hosts",
            "\(entry.hosts), first seen \(UTCTime.text(entry.firstSeen)), last seen \(UTCTime.text(entry.lastSeen))")
        add(
            "headers",
            entry.headers.map { headers in
                "\(headers.files) files, \(ByteSize.text(headers.bytes)), from \(headers.source.rawValue)"
            } ?? detail.absence ?? "none")
        add("tree", entry.headers.map { "\($0.treeDigest)" })
        add("added", detail.addedBytes.map { "\(ByteSize.text($0)) to the store" })
        if let damage = detail.damage {
            let rest = damage.pathCount - damage.paths.prefix(Self.shownPaths).count
            lines.add(
                "damaged",
                [damage.detail] + damage.paths.prefix(Self.shownPaths) + (rest > 0 ? ["and \(rest) more"] : []))
        }
        add(
            "BTF",
            entry.btfBytes.map { ByteSize.text($0) }
                ?? (entry.identity.hasBTF == false ? "none: the kernel has none" : "none"))
        if let smoke = entry.smoke {
            let words = [smoke.state.rawValue, smoke.compiler, smoke.detail].compactMap(\.self).joined(separator: ": ")
            // A compiler's message has several lines.
            lines.add("smoke", words.split(separator: "\n").map(String.init))
        }
        add("pinned", entry.pin.map(Self.mark))
        add("deleted", entry.purge.map(Self.mark))
        var text = lines.text
        if !detail.artefacts.isEmpty {
            var table = TextTable([.init("DOWNLOAD"), .init("SIZE", .right), .init("PATH")])
            for artefact in detail.artefacts {
                let size = artefact.bytes.map { ByteSize.text($0) } ?? ""
                table.add([artefact.kind.rawValue, size, artefact.path])
            }
            text += "\n\n\(table.text)"
        }
        if !detail.reports.isEmpty { text += "\n\n\(AgentReportTable.text(detail.reports))" }
        if let conflict = detail.conflict { text += "\n\n\(KernelsConflictsCommand.table([conflict]))" }
        return text
    }

    private static func mark(_ mark: KernelMark) -> String {
        UTCTime.text(mark.time) + (mark.reason.map { ": \($0)" } ?? "")
    }
}
