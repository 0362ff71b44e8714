internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

/// The forms of what is shown to people or to programs.
enum ListFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

struct KernelsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the kernels that the server knows: those that hosts run, and those that it has something of.",
        discussion: """
            SOURCE says where the headers come from: import, push, agreed (hosts have the same), agent (one host's word); '-' \
            if there are none. HOSTS are those whose last report was of the kernel. Sizes are those of the headers unpacked; \
            times are UTC. NOTES are what somebody may have to look at: damaged (damage of the server's disk took something, and no upload \
            brought it back yet), smoke failed (the server's clang could not compile a \
            small program with the headers), conflicts (hosts or uploads that disagree), pinned, deleted. --format json \
            prints an array, with all that is known.

            What hosts run and the server lacks: kheader kernels list --running --no-headers --sort hosts
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @Option(
        name: .customLong("build-id"), help: ArgumentHelp("Only this kernel.", valueName: "id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID?

    @OptionGroup(title: "Filters and order") var filters: KernelFilterOptions

    @OptionGroup var servers: ServerOptions

    func validate() throws {
        guard buildID == nil || filters.isOnlyRelease else {
            throw ValidationError("--build-id is one kernel: no filter goes with it but --release.")
        }
    }

    func run() async throws {
        let client = try servers.client()
        let kernels =
            if let buildID {
                [try await client.detail(of: buildID).entry]
                    .filter { filters.release == nil || $0.identity.release == filters.release }
            } else {
                try await client.allKernels(filters.query, atMost: filters.limit)
            }
        switch format {
        case .table:
            try Console.put(Self.table(kernels))
            if kernels.isEmpty {
                let isEmpty = filters.isOnlyRelease && filters.release == nil
                Console.say(isEmpty ? "kheader: this server has no kernel yet." : "kheader: no kernel is like that.")
            }
        case .json: try Console.put(JSONText.text(kernels, isPretty: true))
        }
    }

    static func table(_ kernels: [KernelEntry]) -> String {
        var table = TextTable([
            .release, .init("BUILD ID"), .init("ARCH"), .init("SOURCE"), .init("SIZE", .right), .init("BTF"),
            .init("PCH"), .init("HOSTS", .right), .init("LAST SEEN"), .init("NOTES"),
        ])
        for kernel in kernels {
            table.add([
                kernel.identity.release ?? "", "\(kernel.identity.buildID)",
                kernel.identity.architecture?.machine ?? "", kernel.headers?.source.rawValue ?? "",
                kernel.headers.map { ByteSize.text($0.bytes) } ?? "", kernel.btfBytes == nil ? "" : "yes",
                kernel.hasPCH ? "yes" : "", "\(kernel.hosts)", UTCTime.text(kernel.lastSeen), notes(kernel),
            ])
        }
        return table.text
    }

    private static func notes(_ kernel: KernelEntry) -> String {
        var notes: [String] = []
        if !kernel.damaged.isEmpty {
            notes.append("damaged: " + kernel.damaged.map { $0 == .btf ? "BTF" : "headers" }.joined(separator: " and "))
        }
        if kernel.smoke?.state == .failed { notes.append("smoke failed") }
        if kernel.conflicts > 0 { notes.append(kernel.conflicts == 1 ? "1 conflict" : "\(kernel.conflicts) conflicts") }
        if kernel.pin != nil { notes.append("pinned") }
        if kernel.purge != nil { notes.append("deleted") }
        return notes.joined(separator: ", ")
    }
}
