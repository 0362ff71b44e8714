internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import PrecompiledHeaders
internal import TracingClient

struct CacheListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what is kept, least recently used first.",
        discussion: """
            STATE is 'checked' for what was read and found right since this host was started, 'unchecked' for what will \
            be read before it is used, as each PCH is, and 'damaged' for what will be made anew. Times are UTC.
            """)

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var entries: CacheEntriesOptions

    func run() async throws {
        let entries = try entries.list(try entries.cache.open()).map(CacheListing.init)
        switch format {
        case .table: try Console.put(Self.table(entries))
        case .json: try Console.put(JSONText.text(entries, isPretty: true))
        }
    }

    static func table(_ entries: [CacheListing]) -> String {
        var table = TextTable([
            .init("BUILD ID"), .release, .init("WHAT"), .init("SIZE", .right), .init("FROM"), .init("STATE"),
            .init("LAST USED"),
        ])
        for entry in entries {
            table.add([
                "\(entry.buildID)", entry.release ?? "", entry.what, entry.bytes.map(ByteSize.text) ?? "",
                entry.place ?? "", entry.state.rawValue, UTCTime.text(entry.lastUsed),
            ])
        }
        return table.text
    }
}

/// An entry of the cache as it is listed.
struct CacheListing: Encodable {
    enum State: String, Encodable { case checked, unchecked, damaged }

    let buildID: BuildID
    let artefact: String
    let state: State
    let path: String
    /// Seconds since 1970.
    let lastUsed: Int
    var added: Int?
    var release: String?
    var digest: Digest?
    var origin: String?
    var place: String?
    var trust: HeaderSource?
    var files: Int?
    var bytes: Int?
    /// Of PCHs.
    var key: Digest?
    var umbrella: String?
    var profile: String?
    var compiler: String?

    /// The release of the clang that a PCH is for.
    var clang: Int?

    /// For the table: of PCHs there may be several.
    var what: String {
        guard let profile, let umbrella else { return artefact }
        return "\(artefact) \(profile) \(umbrella)" + (clang.map { " (clang \($0))" } ?? "")
    }

    init(_ entry: HeaderCache.Listing) {
        buildID = entry.buildID
        artefact = entry.artefact.rawValue
        path = entry.path
        lastUsed = entry.lastUsed
        key = entry.key
        umbrella = entry.pch?.manifest.umbrella
        profile = entry.pch?.manifest.profileName
        compiler = entry.pch?.toolchain.version
        clang = entry.pch?.toolchain.major
        guard let stamp = entry.stamp else {
            state = .damaged
            return
        }
        state = entry.isChecked ? .checked : .unchecked
        added = stamp.added
        release = stamp.identity.release
        digest = stamp.digest
        origin = stamp.origin.rawValue
        place = stamp.place
        trust = stamp.rank
        files = stamp.files
        bytes = stamp.bytes
    }
}
