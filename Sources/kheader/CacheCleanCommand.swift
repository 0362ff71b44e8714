internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import TracingClient

struct CacheCleanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean",
        abstract: "Remove what was not used for long, or is too much.",
        discussion: """
            Without options, what was not used for \(HeaderCache.standardAge / 86400) days goes, then the least recently \
            used until \(HeaderCache.standardBytes >> 20) MiB are left; whenever headers are added, that is done anyway. What \
            a program started by 'kheader exec' uses stays. Removed build IDs are printed, a line each.

              kheader cache clean --all
              kheader cache clean --all --build-id 3f1c...
              kheader cache clean --older-than 7 --max-size 100
            """)

    @Option(
        name: .customLong("older-than"),
        help: ArgumentHelp("Remove what was not used for so many days.", valueName: "days"))
    var days: Int?

    @Option(
        name: .customLong("max-size"),
        help: ArgumentHelp("Leave at most so many MiB, of the most recently used.", valueName: "mib"))
    var mebibytes: Int?

    @Flag(help: "Remove everything that is not in use.")
    var all = false

    @OptionGroup var entries: CacheEntriesOptions

    func validate() throws {
        guard !all || days == nil && mebibytes == nil else {
            throw ValidationError("--all leaves nothing for --older-than and --max-size to say.")
        }
        let isSensible = [days, mebibytes].allSatisfy { $0.map { (0...1 << 30).contains($0) } ?? true }
        guard isSensible else { throw ValidationError("--older-than and --max-size are numbers from 0 on.") }
    }

    func run() async throws {
        let cache = try entries.cache.open()
        let isPlain = days == nil && mebibytes == nil
        let removed = try cache.clean(
            unusedFor: all ? nil : days.map { $0 * 86400 } ?? (isPlain ? HeaderCache.standardAge : nil),
            keeping: all ? 0 : mebibytes.map { $0 << 20 } ?? (isPlain ? HeaderCache.standardBytes : nil),
            only: entries.buildID)
        for entry in removed { try Console.put("\(entry.buildID) \(entry.artefact.rawValue)") }
        let bytes = removed.reduce(0) { $0 + ($1.stamp?.bytes ?? 0) }
        Console.say("\(removed.count) removed, \(ByteSize.text(bytes)).")
    }
}
