internal import Glibc
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

@Suite struct ELFImageTests {
    private static let line = "6.1.0-test (a@b) (gcc) #1 SMP"

    @Test(
        arguments: [
            (true, false, 62, "x86_64"), (false, false, 3, "i686"), (true, false, 183, "aarch64"),
            (true, true, 22, "s390x"),
            (true, true, 21, "ppc64"), (true, false, 21, "ppc64le"), (false, true, 20, "ppc"), (false, true, 8, "mips"),
            (true, false, 8, "mips64"), (true, false, 243, "riscv64"), (false, false, 40, "arm"),
            (true, false, 258, "loongarch64"),
        ] as [(Bool, Bool, UInt16, String)])
    func readsEveryClassAndByteOrder(is64Bit: Bool, isBigEndian: Bool, machine: UInt16, name: String) throws {
        let file = SyntheticELF(is64Bit: is64Bit, isBigEndian: isBigEndian, machine: machine).bytes
        #expect(
            try KernelImage(file).identity
                == KernelIdentity(
                    buildID: #require(BuildID(bytes: NoteRun.buildID)), release: "6.1.0-test", versionLine: Self.line,
                    architecture: Architecture(machine: name), hasBTF: true))
    }

    @Test func notesInSegmentsOrSectionsAloneWillDo() throws {
        let stripped = try KernelImage(SyntheticELF(hasSections: false).bytes).identity
        #expect(stripped.buildID.bytes == NoteRun.buildID)
        #expect(stripped.release == "6.1.0-test")
        #expect(stripped.hasBTF == nil, "without sections nobody can tell")
        let relocatable = try KernelImage(SyntheticELF(hasSegments: false).bytes).identity
        #expect(relocatable.buildID.bytes == NoteRun.buildID)
    }

    @Test func tellsThatThereIsNoBTF() throws {
        #expect(try KernelImage(SyntheticELF(btf: nil).bytes).identity.hasBTF == false)
        #expect(try KernelImage(SyntheticELF(btf: []).bytes).identity.hasBTF == false)
    }

    @Test func moreBTFThanTheLimitIsRefused() throws {
        let image = try ELFImage(SyntheticELF(btf: [1, 2, 3, 4]).bytes)
        #expect(try image.btf(limit: 4) == [1, 2, 3, 4])
        #expect(refusal { _ = try image.btf(limit: 3) } == .tooLarge)
    }

    @Test func aMachineNotKnownHasNoArchitecture() throws {
        #expect(try KernelImage(SyntheticELF(machine: 0xFFF0).bytes).identity.architecture == nil)
    }

    @Test func notesAlignedTo8AreRead() throws {
        let file = SyntheticELF(notes: NoteRun.kernel(alignment: 8), notesAlignment: 8)
        #expect(try KernelImage(file.bytes).identity.buildID.bytes == NoteRun.buildID)
    }

    @Test func noBuildIDIsRefused() {
        #expect(refusal { _ = try KernelImage(SyntheticELF(notes: []).bytes) } == .noBuildID)
    }

    @Test func moreNotesThanTheLimitAreRefused() {
        var run = NoteRun()
        run.add("CORE", 1, [UInt8](repeating: 0, count: 1 << 20))
        #expect(refusal { _ = try KernelImage(SyntheticELF(notes: run.bytes).bytes) } == .tooLarge)
    }

    @Test func anELFFileWithoutTheBannerIsNoKernel() {
        let program = SyntheticELF(readOnly: Array("Linux version %s\0".utf8))
        #expect(refusal { _ = try KernelImage(program.bytes) } == .notAKernel)
    }

    @Test func theBannerIsFoundAcrossReadsAndAfterFormatStrings() throws {
        // Read in pieces of 1 MiB that overlap by 1,039 bytes.
        let line = "6.12.0+x (\(String(repeating: "b", count: 900))) #2"
        let banner = Array("Linux version \(line)\n\0".utf8)
        for start in [(1 << 20) - 20, 1 << 20, (1 << 20) + 300, (1 << 20) + 1030, 3 << 20] {
            var data = [UInt8](repeating: UInt8(ascii: "L"), count: start)
            data += banner + [UInt8](repeating: 0, count: 5000)
            #expect(try KernelImage(SyntheticELF(readOnly: data).bytes).identity.versionLine == line)
        }
    }

    /// Of Linux 6.1 and later: the draft comes first, of the same release but without the build's number.
    @Test func theFinalBannerIsPreferredToTheDraft() throws {
        let draft = "Linux version 6.1.0 (a@b) (gcc) # SMP Debian\n\0"
        let gap = String(repeating: "\0", count: 2 << 20)
        let both = SyntheticELF(
            readOnly: Array((draft + gap + "Linux version 6.1.0 (a@b) (gcc) #1 SMP Debian\n\0").utf8))
        #expect(try KernelImage(both.bytes).identity.versionLine == "6.1.0 (a@b) (gcc) #1 SMP Debian")
        let alone = SyntheticELF(readOnly: Array(draft.utf8))
        #expect(try KernelImage(alone.bytes).identity.versionLine == "6.1.0 (a@b) (gcc) # SMP Debian")
    }

    @Test func aBannerOverTheLimitIsNoBanner() {
        let long = Array("Linux version 6.1.0 ".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 1100) + [0]
        #expect(refusal { _ = try KernelImage(SyntheticELF(readOnly: long).bytes) } == .notAKernel)
    }

    @Test func tablesOverTheLimitAreRefused() {
        var file = SyntheticELF().bytes
        file.put(UInt16(0xFFFF), at: 58)
        file.put(UInt16(0xFFFF), at: 60)
        #expect(refusal { _ = try KernelImage(file) } == .elfMalformed)
        file = SyntheticELF().bytes
        file.put(UInt16(1), at: 54)
        #expect(refusal { _ = try KernelImage(file) } == .elfMalformed)
    }

    /// 60,000 sections with one name of 4 MB among them: kept whole, the names would fill 240 GB.
    @Test func sectionNamesWithoutEndDoNotAddUp() throws {
        var file = SyntheticELF(hasSegments: false).bytes
        let names = file.count
        file += [UInt8](repeating: UInt8(ascii: "x"), count: 4 << 20)
        let table = file.count
        for index in 0..<60_000 {
            var header = [UInt8](repeating: 0, count: 64)
            header.put(UInt32(index), at: 0)
            header.put(UInt64(names), at: 24)
            header.put(UInt64(4 << 20), at: 32)
            file += header
        }
        file.put(UInt64(table), at: 40)
        file.put(UInt16(60_000), at: 60)
        file.put(UInt16(1), at: 62)
        #expect(refusal { _ = try KernelImage(file) } == .notAKernel)
    }

    @Test(arguments: [(true, false), (true, true), (false, false), (false, true)])
    func everyTruncationIsRefused(is64Bit: Bool, isBigEndian: Bool) {
        let file = SyntheticELF(is64Bit: is64Bit, isBigEndian: isBigEndian).bytes
        for length in 0..<file.count {
            #expect(refusal { _ = try KernelImage(Array(file.prefix(length))) } != nil, "\(length) bytes")
        }
    }

    @Test(arguments: [(true, false), (true, true), (false, false), (false, true)])
    func mutatedFilesDoNotTrap(is64Bit: Bool, isBigEndian: Bool) {
        var generator = SeededGenerator(seed: 2)
        let file = SyntheticELF(is64Bit: is64Bit, isBigEndian: isBigEndian).bytes
        for _ in 0..<5_000 { _ = try? KernelImage(file.mutated(&generator)) }
    }

    // What a compiler and linker make, rather than what the test's author read in a specification.
    private static let source = """
        __attribute__((section(".rodata"), used)) static const char linux_banner[] =
            "Linux version 6.99.0-linked (a@b) (gcc) #7 SMP\\n";
        __attribute__((section(".BTF"), used)) static const char types[] = "types";
        void _start(void) {}
        """

    private static func link(_ flags: [String]) throws -> (folder: TemporaryFolder, path: String) {
        let folder = try TemporaryFolder()
        let program = try folder.write(source.utf8, to: "kernel.c")
        let path = "\(folder.path)/vmlinux"
        let arguments = ["-nostdlib", "-static", "-ffreestanding", "-Wl,--build-id=0x00112233445566778899"]
        try ShellCommand("gcc", arguments + flags + ["-o", path, program]).output()
        return (folder, path)
    }

    #if arch(x86_64)
        private static let machines = [["-m64"], ["-m32"]]
    #else
        private static let machines: [[String]] = [[]]
    #endif

    @Test(arguments: machines) func readsWhatALinkerMakes(flags: [String]) throws {
        let (folder, path) = try Self.link(flags)
        let image = try KernelImage(path: path)
        #expect(image.btf == Array("types\0".utf8))
        let identity = image.identity
        #expect(identity.buildID.description == "00112233445566778899")
        #expect(identity.versionLine == "6.99.0-linked (a@b) (gcc) #7 SMP")
        #expect(identity.hasBTF == true)
        if flags == ["-m32"] {
            #expect(identity.architecture == Architecture(machine: "i686"))
        } else {
            let machine = String(try ShellCommand("uname", "-m").run().text.dropLast())
            #expect(identity.architecture == Architecture(machine: machine))
        }
        withExtendedLifetime(folder) {}
    }

    @Test func everyTruncationOfALinkedFileIsRefused() throws {
        let (folder, _) = try Self.link([])
        let file = try folder.read("vmlinux")
        for length in 0..<file.count {
            #expect(refusal { _ = try KernelImage(Array(file.prefix(length))) } != nil, "\(length) bytes")
        }
    }

    @Test func aFileLinkedWithoutABuildIDIsRefused() throws {
        let (folder, path) = try Self.link(["-Wl,--build-id=none"])
        #expect(refusal { _ = try KernelImage(path: path) } == .noBuildID)
        withExtendedLifetime(folder) {}
    }

    @Test func aFolderOrAPipeIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(refusal { _ = try KernelImage(path: folder.path) } == .notAFile)
        mkfifo("\(folder.path)/pipe", 0o600)
        #expect(refusal { _ = try KernelImage(path: "\(folder.path)/pipe") } == .notAFile)
    }
}
