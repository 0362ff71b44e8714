internal import GRDB
internal import KernelHeaders

/// What clients and builders say of themselves, as documents whose meaning the store does not know: at most so many of each
/// kind, of which the one that was not asked for for longest goes first.
final class KeptDocuments: Sendable {
    enum Kind: String, Sendable { case profile, toolchain }

    /// Of each kind.
    static let maximum = 64

    private struct Key: Hashable {
        let kind: Kind
        let id: Digest
    }

    private let catalogue: Catalogue
    private let now: @Sendable () -> Int
    private let times: AskedTimes<Key>

    init(catalogue: Catalogue, now: @escaping @Sendable () -> Int) {
        self.catalogue = catalogue
        self.now = now
        times = AskedTimes(now: now) { times in
            try catalogue.write { database in
                for (key, time) in times {
                    try catalogue.documentAsked(kind: key.kind.rawValue, id: key.id, at: time, database)
                }
            }
        }
    }

    func close() throws { try times.close() }

    /// - Returns: whether it is new. One that is there stays as it is.
    /// - Throws: `Problem` with `disk-full`.
    func put(_ document: String, kind: Kind, id: Digest) throws -> Bool {
        // Who is asked for decides who goes.
        try times.flush()
        return try catalogue.write {
            try catalogue.insertDocument(
                document, kind: kind.rawValue, id: id, at: now(), keeping: Self.maximum, $0)
        }
    }

    /// Of one that may be there.
    func asked(kind: Kind, id: Digest) { times.note(Key(kind: kind, id: id)) }

    /// All of a kind. Does not count as asked for.
    func all(_ kind: Kind) throws -> [String] {
        try catalogue.pool.read { try catalogue.documents(kind: kind.rawValue, $0) }
    }

    /// Nil if there is none. Counts as asked for.
    func document(kind: Kind, id: Digest) throws -> String? {
        let document = try catalogue.pool.read { try catalogue.document(kind: kind.rawValue, id: id, $0) }
        if document != nil { asked(kind: kind, id: id) }
        return document
    }
}
