internal import Crypto
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// What a host's package system says that a header file should be.
enum FileRecord: Equatable {
    case md5([UInt8])
    case sha256(KernelHeaders.Digest)
    /// Nothing is known of its contents; it was last changed before its package was installed.
    case older
    /// The same, but changed later.
    case newer

    /// Whether the package's own file is empty.
    var isEmpty: Bool {
        switch self {
        case .md5(let bytes): Insecure.MD5.hash(data: []).elementsEqual(bytes)
        case .sha256(let digest): digest == SHA256Hash.digest(of: [])
        case .older, .newer: false
        }
    }
}

/// What a host's package system has recorded of the headers below a folder: dpkg's lists and MD5 sums, which are text files,
/// or what the command `rpm` prints of its database.
struct PackageRecord {
    /// The package's name.
    let package: String
    /// Why the package itself is not installed as it should be, in half a sentence; nil if it is.
    let flaw: String?
    /// The package's `*.h` files and links below the folder, by their paths in it.
    private(set) var files: Set<String> = []
    private var digests: [String: FileRecord] = [:]
    /// When the package was installed, in seconds since 1970.
    private let installed: Int

    private init(package: String, flaw: String?, installed: Int) {
        self.package = package
        self.flaw = flaw
        self.installed = installed
    }

    /// The most bytes read of one of the package system's files. Large hosts have a `status` of 5 MB.
    static let fileLimit = 64 << 20
    private static let dpkg = "/var/lib/dpkg"

    /// What should be at a path.
    ///
    /// - Parameter path: in the folder; `location` is where it is now.
    /// - Returns: nil if it is not of the package.
    func record(of path: String, at location: String) -> FileRecord? {
        guard files.contains(path) else { return nil }
        if let digest = digests[path] { return digest }
        var status = stat()
        return lstat(location, &status) == 0 && status.st_mtim.tv_sec > installed ? .newer : .older
    }

    /// The record of the package that a folder belongs to.
    ///
    /// - Parameter folder: as the host names it, links followed.
    /// - Returns: nil if no package's, as far as can be told.
    /// - Throws: what `check` throws; ``ProbeError`` with `tooLarge`. What can't be read is no record.
    static func find(_ folder: String, root: HostRoot, _ check: CancellationCheck) throws -> PackageRecord? {
        try dpkgRecord(folder, root, check) ?? rpmRecord(folder, root, check)
    }

    // MARK: rpm

    /// The packages that have headers below `/usr/src/kernels/RELEASE`, with the release, machine included, as version.
    private static let rpmNames = ["", "-rt", "-debug", "-64k", "-uek", "-lt", "-ml"].map { "kernel\($0)-devel" }
    /// The `PGPHASHALGO_SHA256` of rpm's `rpmpgp.h`; older packages have MD5 and say none.
    private static let sha256 = "8"

    private static func rpmRecord(
        _ folder: String, _ root: HostRoot, _ check: CancellationCheck
    ) throws -> PackageRecord? {
        guard folder.hasPrefix("/usr/src/kernels/"), let release = folder.split(separator: "/").last else { return nil }
        let format = "[%{=NAME}\\t%{=INSTALLTIME}\\t%{=FILEDIGESTALGO}\\t%{FILEDIGESTS}\\t%{FILENAMES}\\n]"
        let names = rpmNames.map { "\($0)-\(release)" }
        guard let output = try RPMQuery.output(names, format: format, root: root, check) else { return nil }
        var record: PackageRecord?
        for line in output.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
            guard fields.count == 5, let path = headerPath(Array(fields[4]), in: folder) else { continue }
            let text = fields[..<4].map { String(decoding: $0, as: UTF8.self) }
            if record == nil { record = PackageRecord(package: text[0], flaw: nil, installed: Int(text[1]) ?? 0) }
            record?.files.insert(path)
            if text[2] == sha256 {
                record?.digests[path] = KernelHeaders.Digest(text[3]).map { .sha256($0) }
            } else {
                record?.digests[path] = md5(fields[3]).map { .md5($0) }
            }
        }
        return record
    }

    // MARK: dpkg

    /// Debian's and Ubuntu's packages of headers are named as their folder; `deb-pkg` of the kernel's own build does the same.
    private static func dpkgRecord(
        _ folder: String, _ root: HostRoot, _ check: CancellationCheck
    ) throws -> PackageRecord? {
        guard folder.hasPrefix("/usr/src/"), let name = folder.split(separator: "/").last.map({ String($0) }) else {
            return nil
        }
        let information = "\(dpkg)/info/\(name)"
        let place = "\(information).list"
        guard let list = try? root.open(place) else { return nil }
        var status = stat()
        fstat(list.descriptor, &status)
        var record = PackageRecord(
            package: name, flaw: try dpkgFlaw(name, root, check), installed: status.st_mtim.tv_sec)
        try lines(list, root(place), check) { line in
            if let path = headerPath(line, in: folder) { record.files.insert(path) }
        }
        guard !record.files.isEmpty else { return nil }
        // `deb-pkg` makes packages without sums.
        guard let sums = try? root.open("\(information).md5sums") else { return record }
        try lines(sums, root("\(information).md5sums"), check) { line in
            // MD5, two spaces, a path without its first slash.
            guard line.count > 34, let path = headerPath([UInt8(ascii: "/")] + line.dropFirst(34), in: folder),
                let digest = md5(line.prefix(32))
            else { return }
            record.digests[path] = .md5(digest)
        }
        return record
    }

    private static func md5(_ text: some Collection<UInt8>) -> [UInt8]? {
        let digits = text.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map { UInt8($0) } }
        guard digits.count == 32 else { return nil }
        return stride(from: 0, to: 32, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// What `dpkg --status` has of a package that is not installed, or half.
    private static func dpkgFlaw(_ name: String, _ root: HostRoot, _ check: CancellationCheck) throws -> String? {
        guard let file = try? root.open("\(dpkg)/status") else { return nil }
        let start = Array("Package: \(name)".utf8)
        let key = Array("Status: ".utf8)
        var isOurs = false
        var state: String?
        try lines(file, root("\(dpkg)/status"), check) { line in
            if line.isEmpty { isOurs = false }
            if line.elementsEqual(start) { isOurs = true }
            if isOurs, line.starts(with: key) { state = String(decoding: line.dropFirst(key.count), as: UTF8.self) }
        }
        guard let state else { return "dpkg does not know the package \(name)" }
        // The third word; those after `unpacked` have all files in place.
        let whole = ["installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"]
        guard whole.contains(where: { state.hasSuffix(" \($0)") }) else { return "dpkg has \(name) as \"\(state)\"" }
        return nil
    }

    /// The path in the folder; nil for what is elsewhere or no header.
    private static func headerPath(_ path: [UInt8], in folder: String) -> String? {
        guard path.starts(with: folder.utf8), path.suffix(2).elementsEqual(".h".utf8) else { return nil }
        let rest = path.dropFirst(folder.utf8.count)
        return rest.first == UInt8(ascii: "/") ? String(validating: rest.dropFirst(), as: UTF8.self) : nil
    }

    /// Each line, without its end.
    ///
    /// - Throws: what `check` throws; ``ProbeError`` with `tooLarge`.
    private static func lines(
        _ file: FileBytes, _ path: String, _ check: CancellationCheck, _ body: ([UInt8]) -> Void
    ) throws {
        guard file.count <= fileLimit else {
            throw ProbeError(.tooLarge, "\(path) has over \(fileLimit) bytes.")
        }
        var line: [UInt8] = []
        try RangeSource(file, 0..<file.count).drain { piece in
            try check()
            var rest = piece[...]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                line.append(contentsOf: rest[..<end])
                body(line)
                line.removeAll(keepingCapacity: true)
                rest = rest[(end + 1)...]
            }
            line.append(contentsOf: rest)
        }
        if !line.isEmpty { body(line) }
    }
}
