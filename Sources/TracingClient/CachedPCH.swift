internal import Glibc
internal import HeaderArchive
internal import PrecompiledHeaders

/// A PCH in the cache whose bytes were found right a moment ago. While this value lives no cleaning removes it.
public final class CachedPCH: Sendable {
    static let stubsName = "stubs"
    /// The file that bcc includes before all else; clang looks for a PCH beside it.
    static let kconfig = "include/linux/kconfig.h"

    public let record: PCHRecord
    /// The entry's own folder.
    let folder: String
    /// On the file `use`; nil in another user's cache, which only that user cleans.
    private let lock: FileLock?

    init(_ record: PCHRecord, folder: String, lock: FileLock?) {
        self.record = record
        self.folder = folder
        self.lock = lock
    }

    /// Empty files in place of headers, absolute; what `BCC_KERNEL_SOURCE` names.
    public var stubs: String { "\(folder)/\(Self.stubsName)" }

    /// The PCH's file, absolute.
    public var path: String { "\(folder)/\(Self.place(of: record))" }

    /// Where the PCH lies in its entry. clang takes a folder `kconfig.h.pch` for a choice of several.
    static func place(of record: PCHRecord) -> String {
        let name = "\(record.manifest.umbrella).pch"
        return record.isFoundByName ? "\(stubsName)/\(kconfig).pch/\(name)" : name
    }

    /// What a clang is told so that it takes the PCH, before what else it is told.
    public var arguments: [String] {
        record.manifest.arguments(stubs: stubs) + (record.isFoundByName ? [] : ["-include-pch", path])
    }

    /// Makes programs that are started keep the entry from being removed, for as long as they run.
    ///
    /// - Throws: `SystemCallError`.
    public func keepAcrossExec() throws {
        guard let lock else { return }
        try SystemCallError.check("fcntl", path) { fcntl(lock.descriptor, F_SETFD, 0) }
    }

    /// Notes that the entry was used.
    func touch() { if let lock { futimens(lock.descriptor, nil) } }
}
