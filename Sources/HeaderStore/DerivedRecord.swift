internal import GRDB
internal import Glibc
internal import KernelHeaders

/// What the catalogue knows of something derived: the files that it consists of, which come and go together.
protocol DerivedRecord: Sendable {
    /// What it was derived from, and how.
    associatedtype Key: Hashable & Sendable

    /// The folder of the cache.
    static func folder(_ layout: StoreLayout) -> String
    /// All that there are.
    static func all(_ catalogue: Catalogue, _ database: Database) throws -> [Key: Self]
    static func remove(_ key: Key, _ catalogue: Catalogue, _ database: Database) throws

    /// Whether this server would make it so now; if not, it is made anew.
    func isCurrent(_ key: Key) -> Bool
    /// The digest of the tree that it was made of.
    func tree(of key: Key) -> Digest
    func files(of key: Key) -> [DerivedFileName]
}

extension DerivedRecord {
    /// Of all its files.
    func bytes(of key: Key) -> Int { files(of: key).reduce(0) { $0 + $1.bytes } }

    /// When one of its files was read last, in nanoseconds since 1970, as far as the disk notes it: mostly once a day.
    func lastRead(_ key: Key, _ layout: StoreLayout) -> Int {
        files(of: key).reduce(0) { latest, file in
            var status = stat()
            guard stat("\(Self.folder(layout))/\(file.name)", &status) == 0 else { return latest }
            return max(latest, status.st_atim.tv_sec * 1_000_000_000 + status.st_atim.tv_nsec)
        }
    }

    /// The files, open; nil if one is not as the record says.
    func open(_ key: Key, _ layout: StoreLayout) -> [DerivedFile]? {
        let names = files(of: key)
        let files = names.compactMap {
            DerivedFile(path: "\(Self.folder(layout))/\($0.name)", digest: $0.digest, length: $0.bytes)
        }
        return files.count == names.count ? files : nil
    }
}

/// One of a record's files.
struct DerivedFileName: Equatable, Sendable {
    /// In the cache's folder.
    var name: String
    var digest: Digest
    var bytes: Int
}
