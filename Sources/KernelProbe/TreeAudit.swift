internal import Crypto
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// What is wrong with the headers of a tree on disk: files that are missing, empty, changed or not of its package, links to
/// nowhere.
///
/// Each header is compared with what the host's package system has recorded of it (``PackageRecord``). Of a tree that belongs
/// to no package can be told: that it lacks what every kernel's headers have, emptiness, and dangling links.
struct TreeAudit {
    /// The first flaws as a list, and how many more there are; nil if the tree is whole.
    var description: String? {
        guard count > 0 else { return nil }
        let more = count - flaws.count
        return flaws.joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "")
    }
    /// What it was compared with, in a sentence; nil if with nothing.
    private(set) var evidence: String?
    private var flaws: [String] = []
    private var count = 0

    /// Flaws that are named.
    static let limit = 8

    /// - Throws: `SystemCallError`; `Problem` for what has no place in a tree; what `check` throws.
    init(of tree: InstalledTree, root: HostRoot, _ check: CancellationCheck) throws {
        let folder: HeaderFolder
        do { folder = try tree.headers() } catch let problem as Problem where problem.code == .archiveHasNoHeaders {
            add("\(tree.build)/arch/*/include/generated is missing, or there is more than one")
            return
        }
        let places = tree.source == tree.build ? [tree.buildPlace] : [tree.buildPlace, tree.sourcePlace]
        let halves = try places.map { place in
            Half(path: place.path, record: try PackageRecord.find(place.hostPath, root: root, check))
        }
        for half in halves {
            if let flaw = half.record?.flaw { add(flaw) }
        }
        let manifest = try withoutActuallyEscaping(check) { check in
            let visitor = AuditVisitor(halves, check)
            let manifest = try folder.read(visitor)
            for flaw in visitor.flaws { add(flaw) }
            return manifest
        }
        for (path, half) in Self.needed(folder.sourceArchitecture, tree)
        where !manifest.entries.contains(where: { $0.path.string.hasPrefix(path) }) {
            add("\(half)/\(path) is missing")
        }
        for entry in manifest.entries {
            guard case .link(let target) = entry.kind, let half = halves.first(where: { $0.has(entry.path.string) }),
                access("\(half.path)/\(entry.path)", F_OK) != 0
            else { continue }
            add("\(half.path)/\(entry.path) leads to \(target), which is not there")
        }
        let top = ["include/", "arch/\(folder.sourceArchitecture)/include/"]
        for half in halves {
            for path in half.record?.files.sorted() ?? []
            where top.contains(where: { path.hasPrefix($0) }) && !half.has(path) {
                add("\(half.path)/\(path) is missing")
            }
        }
        let packages = halves.compactMap { $0.record?.package }
        if !packages.isEmpty { evidence = "Compared with the records of \(packages.joined(separator: ", "))." }
    }

    /// What every kernel's headers have, and each in which half: files, and folders that have files. ``InstalledTree`` has
    /// looked for what it reads itself.
    private static func needed(_ architecture: String, _ tree: InstalledTree) -> [(path: String, half: String)] {
        [
            ("include/linux/types.h", tree.source), ("include/uapi/linux/types.h", tree.source),
            ("include/asm-generic/", tree.source), ("arch/\(architecture)/include/asm/", tree.source),
            ("arch/\(architecture)/include/generated/", tree.build),
        ]
    }

    private mutating func add(_ flaw: String) {
        count += 1
        if flaws.count < Self.limit { flaws.append(flaw) }
    }

    /// One of the tree's folders.
    fileprivate struct Half {
        let path: String
        let record: PackageRecord?

        func has(_ file: String) -> Bool {
            var status = stat()
            return lstat("\(path)/\(file)", &status) == 0
        }
    }
}

/// Compares each file, as it is read, with what the package of its half has recorded.
private final class AuditVisitor: TreeVisitor {
    private(set) var flaws: [String] = []
    private let halves: [TreeAudit.Half]
    private let check: CancellationCheck
    private var path = ""
    private var wanted: FileRecord?
    private var md5: Insecure.MD5?

    init(_ halves: [TreeAudit.Half], _ check: @escaping CancellationCheck) {
        self.halves = halves
        self.check = check
    }

    func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws {
        try check()
        // The build half's file stands for that of the source half, as in the tree that is read.
        guard let half = halves.first(where: { $0.has(path.string) }) else { return }
        self.path = "\(half.path)/\(path)"
        wanted = half.record?.record(of: path.string, at: self.path)
        if size == 0, wanted?.isEmpty != true, !path.marksAnOption { flaws.append("\(self.path) is empty") }
        if half.record != nil, wanted == nil { flaws.append("\(self.path) is not of its package") }
        if case .md5 = wanted { md5 = Insecure.MD5() } else { md5 = nil }
    }

    func write(_ bytes: UnsafeRawBufferPointer) { md5?.update(bufferPointer: bytes) }

    func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) {
        let isSame =
            switch wanted {
            case .md5(let bytes): md5.map { $0.finalize().elementsEqual(bytes) } ?? false
            case .sha256(let wanted): wanted == digest
            case .newer: false
            case .older, nil: true
            }
        guard !isSame else { return }
        if case .newer = wanted {
            flaws.append("\(self.path) is newer than its package")
        } else if flaws.last?.hasPrefix("\(self.path) ") != true {
            flaws.append("\(self.path) is not what its package installed")
        }
    }
}
