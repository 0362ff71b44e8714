internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import TracingClient

struct CacheVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read all that is kept, and hold it against its digests.",
        discussion: "What is damaged is removed, and fetched again when it is wanted; the exit code is 1 then.")

    /// What was found of an entry.
    private struct Result: Encodable {
        let buildID: BuildID
        let artefact: String
        let verdict: HeaderCache.Verdict
    }

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var entries: CacheEntriesOptions

    func run() async throws {
        let cache = try entries.cache.open()
        var results: [Result] = []
        for entry in try entries.list(cache) {
            guard let verdict = try await cache.verify(entry) else { continue }
            results.append(Result(buildID: entry.buildID, artefact: entry.artefact.rawValue, verdict: verdict))
        }
        switch format {
        case .table:
            var table = TextTable([.init("BUILD ID"), .init("WHAT"), .init("VERDICT")])
            for result in results { table.add(["\(result.buildID)", result.artefact, result.verdict.rawValue]) }
            try Console.put(table.text)
        case .json: try Console.put(JSONText.text(results, isPretty: true))
        }
        let damaged = results.count { $0.verdict == .damaged }
        if damaged > 0 { throw CacheDamaged(count: damaged) }
    }
}

/// Something in the cache was not what it should be.
private struct CacheDamaged: Error, CustomStringConvertible {
    let count: Int

    var description: String {
        "\(count) damaged, and removed unless the cache is read-only. What is wanted again is fetched again. (cache-damaged)"
    }
}
