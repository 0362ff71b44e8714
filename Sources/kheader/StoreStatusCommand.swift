internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct StoreStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how many kernels, files and bytes the server keeps, and how full its disk is.")

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let status = try await servers.client().store()
        switch format {
        case .table: try Console.put(Self.table(status))
        case .json: try Console.put(JSONText.text(status, isPretty: true))
        }
    }

    static func table(_ status: StoreStatus) -> String {
        var table = TextTable([.init("WHAT"), .init("COUNT", .right), .init("SIZE", .right)])
        table.add(["kernels with headers", "\(status.kernels)", ""])
        table.add(["trees", "\(status.trees)", ""])
        table.add(["conflicts", "\(status.conflicts)", ""])
        table.add(["files of all kernels", "\(status.files)", ByteSize.text(status.rawBytes)])
        table.add(["distinct contents", "\(status.blobs)", ByteSize.text(status.blobBytes)])
        table.add(["packs on disk", "\(status.packs)", ByteSize.text(status.packBytes)])
        table.add(["catalogue on disk", "", ByteSize.text(status.catalogueBytes)])
        table.add(["BTF on disk", "\(status.btfKernels)", ByteSize.text(status.btfBytes)])
        table.add(["bundles on disk", "", part(status.bundleBytes, of: status.bundleLimit)])
        if let pchs = status.pchs {
            table.add(["PCHs on disk", "\(pchs)", part(status.pchBytes ?? 0, of: status.pchLimit)])
        }
        if let dead = status.deadTrees { table.add(["trees to collect", "\(dead)", ""]) }
        if let loose = status.loosePacks {
            table.add(["packs to repack", "\(loose)", ByteSize.text(status.loosePackBytes ?? 0)])
        }
        if let damaged = status.damagedKernels { table.add(["damaged kernels", "\(damaged)", ""]) }
        if let lost = status.lostBTF { table.add(["BTF lost to damage", "\(lost)", ""]) }
        if let quarantined = status.quarantined {
            table.add(["in quarantine", "\(quarantined)", ByteSize.text(status.quarantinedBytes ?? 0)])
        }
        if let waiting = status.jobsWaiting, let running = status.jobsRunning {
            table.add(["compiles running", "\(running)", ""])
            table.add(["compiles waiting", "\(waiting)", ""])
        }
        if let free = status.diskFreeBytes {
            table.add(["free on the disk", "", part(free, of: status.diskBytes)])
        }
        if status.isReadOnly == true { table.add(["uploads", "", "refused: the disk is full"]) }
        let lines = [status.verify.map(line), status.collect.map(line), status.repack.map(StoreRepackCommand.line)]
        return ([table.text] + lines.compactMap { $0 })
            .joined(separator: "\n")
    }

    private static func part(_ bytes: Int, of limit: Int?) -> String {
        ByteSize.text(bytes) + (limit.map { " of \(ByteSize.text($0))" } ?? "")
    }

    private static func line(_ verify: StoreVerification) -> String {
        let hint = "see kheader store verify --last"
        let found = verify.found == 0 ? "nothing damaged" : "\(verify.found) damaged, \(hint)"
        let earlier =
            verify.found == 0 ? verify.earlier.map { "; round \($0.round) found \($0.found), \(hint)" } ?? "" : ""
        if verify.state == .running {
            return
                "verify: \(ByteSize.text(verify.bytes)) of \(ByteSize.text(verify.allBytes)) read, \(found)\(earlier)"
        }
        if let failure = verify.failure { return "verify: ended early, \(failure)" }
        return verify.ended.map { "verify: ended \(UTCTime.text($0)), \(found)\(earlier)" } ?? "verify: not done yet"
    }

    private static func line(_ collect: StoreCollection) -> String {
        if collect.state == .running { return "collect: under way" }
        if let failure = collect.failure { return "collect: ended early, \(failure)" }
        guard let ended = collect.ended else { return "collect: not done yet" }
        return "collect: ended \(UTCTime.text(ended)), gave back \(ByteSize.text(max(0, collect.freedBytes)))"
    }
}
