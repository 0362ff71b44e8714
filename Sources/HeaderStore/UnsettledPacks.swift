internal import GRDB
internal import KernelHeaders
internal import Synchronization

/// Packs whose transaction failed. If it failed when it was to be synced, it may be there after a crash all the same, and so
/// must the pack be; until then the catalogue says that it is not there.
///
/// The next transaction takes its place in the journal. Once that is on disk, the failed one can't come back, and its pack
/// goes. No other pack is written before: a start that finds two that the catalogue does not know can't tell them from
/// acknowledged ones (``StoreRecovery``), nor can a rebuild tell which of two with the same numbers counts.
///
/// Must be used where ingests run, one after the other.
final class UnsettledPacks: Sendable {
    private let catalogue: Catalogue
    private let files: any FileSystem
    private let layout: StoreLayout
    private let names = Mutex<Set<Digest>>([])

    init(catalogue: Catalogue, files: any FileSystem, layout: StoreLayout) {
        (self.catalogue, self.files, self.layout) = (catalogue, files, layout)
    }

    func add(_ name: Digest) { _ = names.withLock { $0.insert(name) } }

    /// Removes those that the catalogue does not have, and never will.
    ///
    /// - Throws: `Problem` with `disk-full`, or what SQLite says, if it takes no transaction; `SystemCallError`. They are kept
    ///   in mind then.
    func settle() throws {
        let names = names.withLock { $0 }
        guard !names.isEmpty else { return }
        // What it already says; but it is written, and synced.
        try catalogue.write { try catalogue.setUpkeep("nextBlob", try catalogue.nextBlobNumber($0), $0) }
        let known = try catalogue.pool.read { try catalogue.packDigests($0) }
        for name in names.subtracting(known) { try files.remove(layout.pack(name)) }
        self.names.withLock { $0.subtract(names) }
    }
}
