internal import HeaderArchive
internal import KernelProbe

/// What dpkg has written down of the packages of this host (dpkg(1), `/var/lib/dpkg`), read without dpkg.
///
/// `status` has a stanza for each package, separated by empty lines; `info/NAME.list`, or `info/NAME:ARCHITECTURE.list` where
/// several architectures can be installed at once, the paths of its files, a line each. What dpkg is about to change lies in
/// `updates` until it has rewritten `status`.
struct DpkgDatabase {
    /// The most bytes of `status` read. Large hosts have 5 MB.
    static let statusLimit = 64 << 20

    private let folder: String

    init(_ folder: String = "/var/lib/dpkg") { self.folder = folder }

    /// The version of a package that has a file.
    ///
    /// - Parameters:
    ///   - package: without an architecture.
    ///   - path: as the package lists it.
    /// - Returns: nil if it has no such file, and wherever dpkg itself has to be asked.
    func version(of package: String, with path: String) -> String? {
        guard let changes = try? FolderListing.names(in: "\(folder)/updates"), changes.isEmpty,
            let status = SmallFile.bytes("\(folder)/status", limit: Self.statusLimit),
            let stanza = Self.stanza(of: package, in: status), let version = stanza["Version"], !version.isEmpty
        else { return nil }
        let names = [stanza["Architecture"].map { "\(package):\($0)" }, package]
        guard
            let list = names.lazy.compactMap({ $0 }).compactMap({ SmallFile.bytes("\(folder)/info/\($0).list") }).first,
            list.split(separator: UInt8(ascii: "\n")).contains(where: { $0.elementsEqual(path.utf8) })
        else { return nil }
        return version
    }

    /// Nil also if the package is there for several architectures, which would have to be told apart.
    private static func stanza(of package: String, in status: [UInt8]) -> DebianControl? {
        let line = Array("\nPackage: \(package)\n".utf8)
        // The first stanza has no line before it.
        let first = status.starts(with: line.dropFirst()) ? 0 : nil
        guard let start = first ?? status.offset(of: line).map({ $0 + 1 }),
            status.offset(of: line, in: start..<status.count) == nil
        else { return nil }
        let end = status.offset(of: [10, 10], in: start..<status.count) ?? status.count
        return DebianControl(Array(status[start..<end]))
    }
}
