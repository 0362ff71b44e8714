internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Synchronization
internal import Testing

/// The kernel's own archive, wherever it lies: in sysfs, brought there by its module, in the module's file.
@Suite struct HeaderModuleCollectTests {
    private static let small = SmallKernel(hasLargeFile: false)
    private static let version = "#7 SMP Debian 6.1.192-2 (2026-11-16)"
    private static let sysfs = "sys/kernel/kheaders.tar.xz"
    private static let moduleFile = "lib/modules/\(small.release)/kernel/kernel/kheaders.ko"

    private static var kernel: KernelIdentity {
        get throws {
            KernelIdentity(
                buildID: try #require(BuildID("ab")), release: small.release,
                versionLine: "\(small.release) (x@y) (gcc-12) \(version)")
        }
    }

    private static func collector(
        _ root: TemporaryFolder, _ module: HeaderModuleAccess = .notPermitted("This is a test.")
    ) throws -> HeaderCollector { HeaderCollector(kernel: try kernel, root: root.path, module: module) }

    private static func bytes(_ headers: CollectedHeaders?) throws -> [UInt8] {
        guard case .archive(let archive)? = headers?.contents else { return [] }
        let descriptor = try archive.descriptor()
        defer { close(descriptor) }
        return try FileSource(borrowing: descriptor).readAll()
    }

    /// A module that is loaded, and its file in the folder of the kernel's own modules.
    private static func addLoadedModule(
        _ name: String = "virtio_blk", running: [UInt8] = NoteRun.buildID, installed: [UInt8] = NoteRun.buildID,
        to root: TemporaryFolder
    ) throws {
        var notes = NoteRun(isBigEndian: UInt16(1).bigEndian == 1)
        notes.add("GNU", 3, running)
        try root.write(notes.bytes, to: "sys/module/\(name)/notes/.note.gnu.build-id")
        let module = try CompressionTool.xz.compress(ModuleForge(buildID: installed).bytes())
        try root.write(
            module, to: "lib/modules/\(small.release)/kernel/drivers/block/\(name.replacing("_", with: "-")).ko.xz")
    }

    private static func step(
        _ origin: HeaderOrigin, _ root: TemporaryFolder, _ module: HeaderModuleAccess = .notPermitted("This is a test.")
    ) throws -> CollectStep {
        let collection = try collector(root, module).collect()
        #expect(collection.headers == nil)
        return try #require(collection.steps.first { $0.origin == origin })
    }

    // MARK: sysfs

    @Test func theKernelsArchiveIsOfferedAsItLies() throws {
        try withTemporaryFolder { root in
            let archive = try Self.small.archive()
            try root.write(archive, to: Self.sysfs)
            let survey = try Self.collector(root).survey()
            let digest = SHA256Hash.digest(of: archive)
            #expect(
                survey.offer == ArtefactOffer(.headers, origin: .sysfs, bytes: archive.count, digest: digest))
            #expect(survey.steps.map(\.outcome) == [.usable, .notNeeded, .notNeeded, .notNeeded, .notNeeded])
            let close = try Self.collector(root).examine()
            #expect(close.map(\.outcome) == [.usable, .notNeeded, .missing, .missing, .missing])
            let collection = try Self.collector(root).collect()
            #expect(collection.steps == survey.steps)
            #expect(try Self.bytes(collection.headers) == archive)
        }
    }

    @Test func whatIsNoArchiveIsMalformed() throws {
        try withTemporaryFolder { root in
            try root.write("no xz".utf8, to: Self.sysfs)
            #expect(try Self.step(.sysfs, root).outcome == .malformed)
            unlink(root.path(Self.sysfs))
            try root.makeFolder(Self.sysfs)
            #expect(try Self.step(.sysfs, root).outcome == .malformed)
        }
    }

    @Test func anArchiveOverTheLimitIsMalformed() throws {
        try withTemporaryFolder { root in
            try root.write(SysfsArchive.magic, to: Self.sysfs)
            truncate(root.path(Self.sysfs), SysfsArchive.limit)
            #expect(try Self.collector(root).collect().headers?.origin == .sysfs)
            truncate(root.path(Self.sysfs), SysfsArchive.limit + 1)
            let step = try Self.step(.sysfs, root)
            #expect(step.outcome == .malformed && step.detail?.contains("the limit is \(SysfsArchive.limit)") == true)
        }
    }

    @Test func anArchiveThatIsClosedToThisUserIsUnreadable() throws {
        try withTemporaryFolder { root in
            try root.write(Self.small.archive(), to: Self.sysfs, mode: 0)
            let step = try withoutCapabilities { try Self.step(.sysfs, root) }
            #expect(step.outcome == .unreadable && step.detail?.contains("Permission denied") == true)
        }
    }

    // MARK: Loading the module

    /// A module that a kernel would take: loading it makes the archive appear.
    private final class FakeModule: HeaderModule {
        let path: String
        let archive: [UInt8]
        let isOurs: Bool
        let loadError: CInt
        let unloadError: CInt
        let calls = Mutex<[String]>([])

        init(
            _ root: TemporaryFolder, _ archive: [UInt8], isOurs: Bool = true, loadError: CInt = 0, unloadError: CInt = 0
        ) {
            path = root.path(HeaderModuleCollectTests.sysfs)
            self.archive = archive
            self.isOurs = isOurs
            self.loadError = loadError
            self.unloadError = unloadError
        }

        func load() throws -> Bool {
            calls.withLock { $0.append("load") }
            guard loadError == 0 else { throw SystemCallError(call: "finit_module", path: nil, number: loadError) }
            if !archive.isEmpty { try TemporaryFolder.write(archive, to: path) }
            return isOurs
        }

        func unload() throws {
            calls.withLock { $0.append("unload") }
            guard unloadError == 0 else { throw SystemCallError(call: "delete_module", path: nil, number: unloadError) }
            unlink(path)
        }
    }

    @Test func theModuleIsLoadedReadAndUnloaded() throws {
        try withTemporaryFolder { root in
            let archive = try Self.small.archive()
            let module = FakeModule(root, archive)
            let survey = try Self.collector(root, .ready(module)).survey()
            #expect(survey.steps.map(\.outcome) == [.missing, .deferred, .missing, .missing, .missing])
            #expect(survey.offer == ArtefactOffer(.headers, origin: .loadedModule))
            #expect(module.calls.withLock { $0 } == [])

            let collection = try Self.collector(root, .ready(module)).collect()
            #expect(module.calls.withLock { $0 } == ["load", "unload"])
            #expect(collection.steps.map(\.outcome) == [.missing, .usable, .notNeeded, .notNeeded, .notNeeded])
            // Readable, though it is gone.
            #expect(access(root.path(Self.sysfs), F_OK) != 0)
            #expect(try Self.bytes(collection.headers) == archive)
        }
    }

    @Test func somebodyElsesModuleStays() throws {
        try withTemporaryFolder { root in
            let module = FakeModule(root, try Self.small.archive(), isOurs: false)
            #expect(try Self.collector(root, .ready(module)).collect().headers?.origin == .loadedModule)
            #expect(module.calls.withLock { $0 } == ["load"])
        }
    }

    @Test func theModuleIsUnloadedWhenReadingFails() throws {
        try withTemporaryFolder { root in
            let damaged = FakeModule(root, Array("no xz".utf8))
            #expect(try Self.step(.loadedModule, root, .ready(damaged)).outcome == .malformed)
            #expect(damaged.calls.withLock { $0 } == ["load", "unload"])
            let empty = FakeModule(root, [])
            let step = try Self.step(.loadedModule, root, .ready(empty))
            #expect(step.outcome == .missing && step.detail?.contains("was loaded, and brought no") == true)
            #expect(empty.calls.withLock { $0 } == ["load", "unload"])
        }
    }

    @Test func theModuleIsUnloadedWhenTheWorkIsCancelled() throws {
        struct Stop: Error {}
        try withTemporaryFolder { root in
            let module = FakeModule(root, try Self.small.archive())
            #expect(throws: Stop.self) {
                try Self.collector(root, .ready(module)).collect {
                    if module.calls.withLock({ $0.contains("load") }) { throw Stop() }
                }
            }
            #expect(module.calls.withLock { $0 } == ["load", "unload"])
        }
    }

    @Test func aModuleThatStaysIsSaid() throws {
        try withTemporaryFolder { root in
            let archive = try Self.small.archive()
            let module = FakeModule(root, archive, unloadError: EWOULDBLOCK)
            let collection = try Self.collector(root, .ready(module)).collect()
            #expect(try Self.bytes(collection.headers) == archive)
            #expect(collection.steps[1].detail?.contains("could not be unloaded again") == true)
        }
    }

    @Test func aKernelThatDoesNotTakeItIsNamed() throws {
        try withTemporaryFolder { root in
            let module = FakeModule(root, [], loadError: EKEYREJECTED)
            let step = try Self.step(.loadedModule, root, .ready(module))
            #expect(step.outcome == .moduleRefused && step.detail?.contains("Key was rejected") == true)
            #expect(module.calls.withLock { $0 } == ["load"])
        }
    }

    /// The folder was replaced under the same release: its module would be taken, and have the new build's headers.
    @Test func anotherBuildsModuleIsNotLoaded() throws {
        try withTemporaryFolder { root in
            try Self.addLoadedModule(installed: Array(NoteRun.buildID.reversed()), to: root)
            let module = FakeModule(root, try Self.small.archive())
            #expect(try Self.step(.loadedModule, root, .ready(module)).outcome == .anotherKernel)
            #expect(module.calls.withLock { $0 } == [])
        }
    }

    @Test func withoutAModuleOrTheRightTheReasonIsSaid() throws {
        try withTemporaryFolder { root in
            let missing = try Self.step(.loadedModule, root, .missing("There is none."))
            #expect(missing == CollectStep(.loadedModule, .missing, "There is none."))
            let forbidden = try Self.step(.loadedModule, root, .notPermitted("Not here."))
            #expect(forbidden == CollectStep(.loadedModule, .notPermitted, "Not here."))
        }
    }

    // MARK: The module's file

    /// Compressed in each way that kernels know, and found where the kernel's build puts it.
    @Test(arguments: ["", "xz --check=crc32", "zstd", "gzip"], [false, true])
    func theArchiveIsCutOutOfTheFile(compressor: String, isStripped: Bool) throws {
        try withTemporaryFolder { root in
            let archive = try Self.small.archive()
            var module = try ModuleForge(archive: archive, isStripped: isStripped).bytes()
            let words = compressor.split(separator: " ").map { String($0) }
            if let tool = words.first { module = try ShellCommand(tool, words.dropFirst() + ["-c"]).output(module) }
            let suffix = ["xz": ".xz", "zstd": ".zst", "gzip": ".gz"][words.first ?? ""] ?? ""
            try root.write(module, to: "\(Self.moduleFile)\(suffix)")
            try Self.addLoadedModule(to: root)
            let survey = try Self.collector(root).survey()
            #expect(survey.offer == ArtefactOffer(.headers, origin: .moduleFile))
            let collection = try Self.collector(root).collect()
            #expect(collection.steps.map(\.outcome) == [.missing, .notPermitted, .usable, .notNeeded, .notNeeded])
            #expect(collection.headers?.name == root.path("\(Self.moduleFile)\(suffix)"))
            #expect(collection.headers?.detail?.contains("The loaded modules virtio_blk are those of") == true)
            #expect(try Self.bytes(collection.headers) == archive)
        }
    }

    private static func writeModule(_ forge: ModuleForge, to root: TemporaryFolder) throws {
        try root.write(forge.bytes(), to: moduleFile)
    }

    @Test func aModuleOfAnotherReleaseIsAnotherKernels() throws {
        try withTemporaryFolder { root in
            try Self.writeModule(ModuleForge(release: "6.1.0-98-amd64", archive: Self.small.archive()), to: root)
            try Self.addLoadedModule(to: root)
            let step = try Self.step(.moduleFile, root)
            #expect(step.outcome == .anotherKernel)
            #expect(step.detail?.hasSuffix("is of 6.1.0-98-amd64, and \(Self.small.release) runs here.") == true)
        }
    }

    @Test func aModuleOfAnotherBuildIsAnotherKernels() throws {
        try withTemporaryFolder { root in
            try Self.writeModule(ModuleForge(archive: Self.small.archive()), to: root)
            try Self.addLoadedModule("aaa", to: root)
            #expect(try Self.collector(root).collect().headers != nil)
            // One that differs outweighs those that are the same.
            try Self.addLoadedModule("zzz", installed: Array(NoteRun.buildID.reversed()), to: root)
            let step = try Self.step(.moduleFile, root)
            #expect(step.outcome == .anotherKernel)
            #expect(step.detail?.contains("the folder is of another build of \(Self.small.release)") == true)
        }
    }

    /// One that differs outweighs modules that are the same; one that is the same proves nothing.
    @Test(arguments: ["vdso64.so", "vdso.so"]) func theVDSOOfAnotherBuildIsAnotherKernels(name: String) throws {
        try withTemporaryFolder { root in
            var vdso = try #require(ModulesInstallation.runningVDSO())
            let id = try ELFImage(vdso).buildID().bytes
            let path = "lib/modules/\(Self.small.release)/vdso/\(name)"
            try Self.writeModule(ModuleForge(archive: Self.small.archive()), to: root)
            try root.write(vdso, to: path)
            #expect(try Self.step(.moduleFile, root).outcome == .unproven)
            try Self.addLoadedModule(to: root)
            #expect(try Self.collector(root).collect().headers != nil)
            let place = try #require(vdso.firstRange(of: id)).lowerBound
            vdso[place] ^= 1
            try root.write(vdso, to: path)
            let step = try Self.step(.moduleFile, root)
            #expect(step.outcome == .anotherKernel)
            #expect(step.detail?.contains("\(root.path(path)) has build ID \(try ELFImage(vdso).buildID())") == true)
            // Of another machine's, or of what is none, nothing can be said.
            try root.write([0x7F], to: path)
            #expect(try Self.collector(root).collect().headers != nil)
        }
    }

    /// Modules from elsewhere are built again at any time: they tell nothing.
    @Test func modulesOutOfTreeDoNotCount() throws {
        try withTemporaryFolder { root in
            try Self.writeModule(ModuleForge(archive: Self.small.archive()), to: root)
            try Self.addLoadedModule(installed: Array(NoteRun.buildID.reversed()), to: root)
            try root.write("OE\n".utf8, to: "sys/module/virtio_blk/taint")
            #expect(try Self.step(.moduleFile, root).outcome == .unproven)
        }
    }

    @Test func withNothingToCompareItIsUnproven() throws {
        try withTemporaryFolder { root in
            try Self.writeModule(ModuleForge(archive: Self.small.archive()), to: root)
            let step = try Self.step(.moduleFile, root)
            #expect(step.outcome == .unproven)
            #expect(step.detail?.contains("no module of the kernel's is loaded") == true)
        }
    }

    /// Before 6.1 the archive has the version line, in `compile.h`.
    @Test(arguments: [true, false]) func theArchivesOwnVersionLineProvesIt(isSame: Bool) throws {
        try withTemporaryFolder { root in
            var forge = TarForge()
            forge.addFile("./include/linux/kconfig.h", "x")
            forge.addFile("./include/generated/autoconf.h", "x")
            let version = isSame ? Self.version : Self.version.replacing("#7", with: "#8")
            forge.addFile("./include/generated/compile.h", "#define UTS_VERSION \"\(version)\"\n")
            let archive = try CompressionTool.xz.compress(forge.finished())
            try Self.writeModule(ModuleForge(archive: archive), to: root)
            if isSame {
                let collection = try Self.collector(root).collect()
                #expect(try Self.bytes(collection.headers) == archive)
                #expect(collection.headers?.detail?.contains(Self.version) == true)
            } else {
                #expect(try Self.step(.moduleFile, root).outcome == .anotherKernel)
            }
        }
    }

    @Test(arguments: [
        "no module at all", "no vermagic", "no archive", "no xz", "cut off", "symbols in the wrong order", "damaged xz",
    ])
    func whatIsNoModuleOfHeadersIsMalformed(what: String) throws {
        try withTemporaryFolder { root in
            let archive = try Self.small.archive()
            var module = ModuleForge(archive: archive)
            var bytes: [UInt8]?
            switch what {
            case "no vermagic": module.release = nil
            case "no archive": module.archive = nil
            case "no xz": module.archive = Array("something else".utf8)
            case "cut off":
                let whole = try module.bytes()
                bytes = Array(whole[..<(whole.count / 2)])
            case "symbols in the wrong order": module.isReversed = true
            case "damaged xz": bytes = Array(try CompressionTool.xz.compress(module.bytes()).dropLast(40))
            default: bytes = Array("MZ no module".utf8)
            }
            try root.write(bytes ?? module.bytes(), to: Self.moduleFile)
            try Self.addLoadedModule(to: root)
            #expect(try Self.step(.moduleFile, root).outcome == .malformed)
        }
    }

    @Test func aStrippedModuleIsNotSearchedForEver() throws {
        try withTemporaryFolder { root in
            // Headers and footers of xz by the thousand, and not one stream.
            let flags: [UInt8] = [0, 4]
            let piece = SysfsArchive.magic + flags + [UInt8](repeating: 1, count: 32) + flags + Array("YZ".utf8)
            let archive = SysfsArchive.magic + (0..<5_000).flatMap { _ in piece }
            try Self.writeModule(ModuleForge(archive: archive, isStripped: true), to: root)
            try Self.addLoadedModule(to: root)
            #expect(try Self.step(.moduleFile, root).outcome == .malformed)
        }
    }

    @Test func aModuleThatUnpacksToTooMuchIsMalformed() throws {
        try withTemporaryFolder { root in
            let zeros = [UInt8](repeating: 0, count: ModulesInstallation.moduleLimit + 1)
            try root.write(try CompressionTool.xz.compress(zeros), to: "\(Self.moduleFile).xz")
            let step = try Self.step(.moduleFile, root)
            #expect(step.outcome == .malformed)
            #expect(step.detail?.contains("\(ModulesInstallation.moduleLimit) bytes") == true)
        }
    }

    @Test func aModuleThatIsClosedToThisUserIsUnreadable() throws {
        try withTemporaryFolder { root in
            try root.write(try ModuleForge(archive: Self.small.archive()).bytes(), to: Self.moduleFile, mode: 0)
            let step = try withoutCapabilities { try Self.step(.moduleFile, root) }
            #expect(step.outcome == .unreadable)
        }
    }

    @Test func aReleaseThatIsNoNameFindsNothing() throws {
        try withTemporaryFolder { root in
            for release in [nil, "../6.1", ".."] as [String?] {
                var kernel = try Self.kernel
                kernel.release = release
                let steps = try HeaderCollector(kernel: kernel, root: root.path, module: .missing("None.")).examine()
                #expect(steps.allSatisfy { $0.outcome == .missing })
            }
        }
    }
}
