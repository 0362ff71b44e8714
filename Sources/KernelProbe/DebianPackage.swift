internal import HeaderArchive
internal import KernelHeaders

/// A Debian package: an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5)).
struct DebianPackage: Sendable {
    /// As it was given.
    let path: String
    let name: String
    let version: String
    /// `amd64`, `all`.
    let architecture: String
    let depends: [[DebianControl.Relation]]

    let limits: PackageLimits

    private let bytes: any RandomAccessBytes
    private let data: Range<Int>

    /// Opens the package and reads its control file.
    ///
    /// - Throws: ``ProbeError`` with `notADebianPackage`, `packageDamaged`, `truncated`; `SystemCallError`.
    init(path: String, limits: PackageLimits = .standard) throws {
        try self.init(path: path, bytes: FileBytes(path: path), limits: limits)
    }

    init(path: String, bytes: any RandomAccessBytes, limits: PackageLimits = .standard) throws {
        self.path = path
        self.limits = limits
        self.bytes = bytes
        (name, version, architecture, depends, data) = try Self.explain(path) {
            try Self.refuseOthers(bytes)
            let members = try ArArchive(bytes).members
            guard let first = members.first, first.name == "debian-binary",
                try bytes.bytes(at: UInt64(first.range.lowerBound), count: 2, "debian-binary").elementsEqual("2.".utf8)
            else { throw ProbeError(.packageDamaged, "This is an ar archive, but not a Debian package of format 2.") }
            // Members after the data, and those that start with an underscore, are of no matter (deb(5)).
            guard let control = members.first(where: { $0.name.hasPrefix("control.tar") }),
                let data = members.first(where: { $0.name.hasPrefix("data.tar") })
            else { throw ProbeError(.packageDamaged, "The package has no control.tar or no data.tar.") }
            let fields = try Self.readControl(bytes, control.range, limits)
            guard let name = fields["Package"], let version = fields["Version"], let machine = fields["Architecture"]
            else {
                throw ProbeError(.packageDamaged, "The package's control file lacks Package, Version or Architecture.")
            }
            return (name, version, machine, fields.depends, data.range)
        }
    }

    /// What the package is called in sentences: `linux-headers-6.1.0-56-common 6.1.192-2`.
    var title: String { "\(name) \(version)" }

    /// Reads the package's files from the front, until `body` has had enough.
    ///
    /// - Parameters:
    ///   - progress: told how far it has come.
    ///   - body: given each entry and the reader that stands at its contents; answers false to stop.
    /// - Throws: ``ProbeError`` with `packageDamaged`, `tooLarge`; what `body` throws.
    func readFiles(
        progress: PackageProgress.Handler = { _ in }, _ body: (TarEntry, inout TarReader) throws -> Bool
    ) throws {
        try withoutActuallyEscaping(progress) { progress in
            try Self.explain(path) {
                let compressed = RangeSource(bytes, data) { position in
                    progress(PackageProgress(path: path, bytesRead: position, bytesTotal: bytes.count))
                }
                var reader = TarReader(LimitedSource(try Compression.open(compressed).tar, limit: limits.unpackedBytes))
                var entries = 0
                while let entry = try reader.next() {
                    entries += 1
                    guard entries <= limits.entries else {
                        throw ProbeError(.tooLarge, "The package has over \(limits.entries) files.")
                    }
                    guard try body(entry, &reader) else { break }
                }
            }
        }
    }

    private static func readControl(_ bytes: any RandomAccessBytes, _ range: Range<Int>, _ limits: PackageLimits) throws
        -> DebianControl
    {
        let tar = try Compression.open(RangeSource(bytes, range)).tar
        var reader = TarReader(LimitedSource(tar, limit: limits.unpackedBytes))
        while let entry = try reader.next() {
            guard entry.kind == .file, (try? HeaderPath(normalising: entry.name))?.string == "control" else { continue }
            guard entry.size <= limits.controlBytes else {
                throw ProbeError(.tooLarge, "The package's control file has over \(limits.controlBytes) bytes.")
            }
            var text: [UInt8] = []
            try reader.readContents { text.append(contentsOf: $0) }
            return DebianControl(text)
        }
        throw ProbeError(.packageDamaged, "The package has no control file.")
    }

    private static func refuseOthers(_ bytes: any RandomAccessBytes) throws {
        let start = try bytes.firstBytes(ArArchive.magic.count)
        guard start != ArArchive.magic else { return }
        let what =
            start.starts(with: [0xED, 0xAB, 0xEE, 0xDB]) ? "This is an RPM package" : "This is not a Debian package"
        throw ProbeError(
            .notADebianPackage,
            "\(what). Only Debian packages (.deb) are taken; of another distribution, unpack the headers and push the "
                + "folder with the kernel's build ID.")
    }

    /// Puts the package's path before what is wrong with it, as many packages are given at once.
    private static func explain<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as ProbeError {
            throw ProbeError(error.reason, "\(path): \(error.description)")
        } catch let error as Problem {
            throw ProbeError(.packageDamaged, "\(path): \(error.detail)")
        }
    }
}
