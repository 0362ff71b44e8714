internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
internal import HeaderTransport
internal import KernelHeaders

/// Reads an ``ExportFile`` from the front to the end, within limits, and holds it against its digests.
final class ExportFileReader {
    /// The most bytes of one of the small files in it.
    private static let documentLimit = 64 << 10
    private static let sumsLimit = 64 << 20

    /// A kernel as it comes out.
    struct Kernel: Sendable {
        var kernel: ExportFile.Kernel
        /// Its bundle: a path that is good until the next one.
        var headers: String
        /// Raw.
        var btf: [UInt8]?
    }

    private let path: String
    private let limits: ArchiveLimits
    private let btfLimit: Int
    private let scratch: ScratchFolder
    private let source: HashedSource
    private var tar: TarReader
    /// Writes the same again, to see that what is between the files is as it was, too.
    private let copied = HashSink()
    private let copy: TarWriter
    private var parts: [ExportFile.Part] = []
    /// What the tar's reader stands at.
    private var file: File?
    /// Kernels that are to come.
    private var left: Int?
    private var last: BuildID?

    /// - Parameter scratch: where one kernel's bundle at a time is put.
    /// - Throws: `SystemCallError`.
    init(
        _ path: String, scratch: ScratchFolder, limits: ArchiveLimits = .standard, btfLimit: Int = 64 << 20
    ) throws {
        self.path = path
        self.scratch = scratch
        self.limits = limits
        self.btfLimit = btfLimit
        source = HashedSource(try FileSource(path: path))
        tar = TarReader(source, limits: limits)
        copy = TarWriter(copied)
    }

    /// The next kernel, whose tree was found to be the one that its record names; nil at the end. Whether the file as a whole
    /// is good is known only then.
    ///
    /// - Throws: ``ExportFileError``; `SystemCallError`.
    func next() throws -> Kernel? {
        do {
            if left == nil {
                left = try readHead().kernels
                file = try nextFile()
            }
            guard let left, left > 0 else {
                try readEnd()
                return nil
            }
            self.left = left - 1
            guard let name = file?.name, let id = BuildID(name.prefix { $0 != "/" }),
                last.map({ "\($0)" < "\(id)" }) ?? true
            else { throw damaged("there are fewer kernels in it than it says, or they are not in order") }
            last = id
            return try readKernel(id)
        } catch let problem as Problem {
            throw damaged(problem.detail)
        }
    }

    private func readEnd() throws {
        guard let sums = file, sums.name == ExportFile.sumsName else {
            throw damaged("it has no \(ExportFile.sumsName)")
        }
        let text = try bytes(of: sums, limit: Self.sumsLimit)
        guard text == Array(parts.map(\.line).joined().utf8) else {
            throw damaged("what is in it does not have the digests of \(ExportFile.sumsName)")
        }
        guard try nextFile() == nil else { throw damaged("something comes after \(ExportFile.sumsName)") }
        try tar.readToEnd()
        try copy.finish()
        guard source.digest == copied.digest else {
            throw damaged("something between the files in it is not as it was")
        }
    }

    private func readHead() throws -> ExportFile.Head {
        let notOne = ExportFileError(
            code: .malformed, detail: "\(path) is no file of 'kheader store export'. To send packages: kheader import")
        let first: File?
        do { first = try nextFile() } catch is Problem { throw notOne }
        guard let first, first.name == ExportFile.headName else { throw notOne }
        let bytes = try part(first)
        guard let head = try? JSONDecoder().decode(ExportFile.Head.self, from: Data(bytes)), head.kernels >= 0 else {
            throw notOne
        }
        guard head.version == ExportFile.version else {
            throw ExportFileError(
                code: .versionUnknown,
                detail:
                    "\(path) has version \(head.version), and this kheader knows \(ExportFile.version). Use a newer one."
            )
        }
        return head
    }

    private func readKernel(_ id: BuildID) throws -> Kernel {
        guard let folder = HeaderPath("\(id)") else { throw damaged("\(id) is no name") }
        try copy.addDirectory(folder)
        guard let headers = file, headers.name == "\(id)/\(ExportFile.headersName)" else {
            throw damaged("\(id) has no headers in it")
        }
        let bundle = "\(scratch.path)/\(ExportFile.headersName)"
        parts.append(try save(headers, to: bundle))
        guard let record = try nextFile(), record.name == "\(id)/\(ExportFile.kernelName)" else {
            throw damaged("\(id) has no record in it")
        }
        let json = try part(record)
        guard let kernel = try? JSONDecoder().decode(ExportFile.Kernel.self, from: Data(json)),
            kernel.identity.buildID == id
        else { throw damaged("the record of \(id) can't be read") }
        let manifest = try HeaderTreeReader.read(FileSource(path: bundle), limits: limits, visitor: ManifestOnly())
        guard manifest.digest == kernel.treeDigest else { throw damaged("the headers of \(id) are another tree") }
        file = try nextFile()
        var btf: [UInt8]?
        if let file, file.name == "\(id)/\(ExportFile.btfName)" {
            let frame = try part(file, limit: btfLimit)
            var raw: [UInt8] = []
            try ZstdSource(MemorySource(frame)).drain { bytes in
                raw.append(contentsOf: bytes)
                guard raw.count <= btfLimit else { throw damaged("the BTF of \(id) has over \(btfLimit) bytes") }
            }
            btf = raw
            self.file = try nextFile()
        }
        return Kernel(kernel: kernel, headers: bundle, btf: btf)
    }

    // MARK: Files

    private struct File: Equatable {
        var name: String
        var size: Int
    }

    /// The next file; folders on the way are passed by. Nil at the end.
    private func nextFile() throws -> File? {
        while let entry = try tar.next() {
            if entry.kind == .directory { continue }
            guard entry.kind == .file, let name = String(validating: entry.name, as: UTF8.self), name.hasPrefix("./")
            else { throw damaged("it has something in it that is no file") }
            return File(name: String(name.dropFirst(2)), size: entry.size)
        }
        return nil
    }

    private func part(_ file: File, limit: Int = documentLimit) throws -> [UInt8] {
        let bytes = try bytes(of: file, limit: limit)
        parts.append(ExportFile.Part(name: file.name, digest: SHA256Hash.digest(of: bytes)))
        return bytes
    }

    private func bytes(of file: File, limit: Int) throws -> [UInt8] {
        guard file.size <= limit else { throw damaged("\(file.name) in it has over \(limit) bytes") }
        var bytes: [UInt8] = []
        try read(file) { bytes.append(contentsOf: $0) }
        return bytes
    }

    private func read(_ file: File, _ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let path = HeaderPath(file.name) else { throw damaged("something in it has a name that is none") }
        try copy.addFile(path, size: file.size, executable: false)
        try tar.readContents { bytes in
            try copy.write(bytes)
            try take(bytes)
        }
    }

    private func save(_ file: File, to target: String) throws -> ExportFile.Part {
        guard file.size <= limits.archiveBytes else {
            throw damaged("\(file.name) in it has over \(limits.archiveBytes) bytes")
        }
        let descriptor = try SystemCallError.check("open", target) {
            open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode_t(0o600))
        }
        defer { close(descriptor) }
        let sink = FileSink(borrowing: descriptor)
        var hash = SHA256Hash()
        try read(file) { bytes in
            hash.update(bytes)
            try sink.write(bytes)
        }
        try sink.finish()
        return ExportFile.Part(name: file.name, digest: hash.digest())
    }

    private func damaged(_ what: String) -> ExportFileError {
        ExportFileError(
            code: .damaged,
            detail:
                "\(path) is damaged: \(what.hasSuffix(".") ? String(what.dropLast()) : what). Nothing of it was sent; export it again."
        )
    }
}
