internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

@Suite struct RunningKernelTests {
    private static let procVersion = "Linux version 6.1.0-56-amd64 (x@y) (gcc-12) #1 SMP Debian 6.1.192-2\n"
    private static let isBigEndian = UInt16(1).bigEndian == 1

    private static func root() throws -> TemporaryFolder {
        let root = try TemporaryFolder()
        try root.write(NoteRun.kernel(isBigEndian: isBigEndian), to: "sys/kernel/notes")
        try root.write(procVersion.utf8, to: "proc/version")
        try root.write("6.1.0-56-amd64\n".utf8, to: "proc/sys/kernel/osrelease")
        try root.write("#1 SMP Debian 6.1.192-2\n".utf8, to: "proc/sys/kernel/version")
        return root
    }

    @Test func readsAnotherRoot() throws {
        let root = try Self.root()
        let machine = String(try ShellCommand("uname", "-m").run().text.dropLast())
        var expected = KernelIdentity(
            buildID: try #require(BuildID(bytes: NoteRun.buildID)), release: "6.1.0-56-amd64",
            versionLine: "6.1.0-56-amd64 (x@y) (gcc-12) #1 SMP Debian 6.1.192-2",
            architecture: Architecture(machine: machine), hasBTF: false)
        #expect(try RunningKernel(root: root.path).identity == expected)
        try root.write("types".utf8, to: "sys/kernel/btf/vmlinux")
        expected.hasBTF = true
        #expect(try RunningKernel(root: "\(root.path)/").identity == expected)
    }

    @Test func labelsMayBeMissing() throws {
        let root = try Self.root()
        try root.write("not a banner".utf8, to: "proc/version")
        let withoutBanner = try RunningKernel(root: root.path).identity
        #expect(withoutBanner.release == "6.1.0-56-amd64")
        #expect(withoutBanner.versionLine == "#1 SMP Debian 6.1.192-2")
        try ShellCommand("rm", "-r", root.path("proc")).output()
        let bare = try RunningKernel(root: root.path).identity
        #expect(bare.release == nil)
        #expect(bare.versionLine == nil)
        #expect(bare.buildID.bytes == NoteRun.buildID)
    }

    @Test func noNotesAreRefusedWithAdvice() throws {
        let root = try TemporaryFolder()
        for advice in [nil, "Or name it."] {
            let error = try #require(throws: ProbeError.self) {
                try RunningKernel(root: root.path, orElse: advice)
            }
            #expect(error.reason == .notesUnreadable)
            #expect(error.description.hasSuffix("). Is sysfs mounted there?\(advice.map { " \($0)" } ?? "")"))
        }
    }

    @Test func notesWithoutABuildIDAreRefused() throws {
        let root = try Self.root()
        var run = NoteRun(isBigEndian: Self.isBigEndian)
        run.add("Linux", 0x100, Array("salt".utf8))
        try root.write(run.bytes, to: "sys/kernel/notes")
        #expect(refusal { _ = try RunningKernel(root: root.path) } == .noBuildID)
    }

    @Test func notesCutOffAreRefused() throws {
        let root = try Self.root()
        try root.write(NoteRun.kernel(isBigEndian: Self.isBigEndian).dropLast(6), to: "sys/kernel/notes")
        #expect(refusal { _ = try RunningKernel(root: root.path) } == .notesMalformed)
    }

    @Test func notesOverTheLimitAreRefused() throws {
        let root = try Self.root()
        try root.write([UInt8](repeating: 0, count: (1 << 20) + 1), to: "sys/kernel/notes")
        #expect(refusal { _ = try RunningKernel(root: root.path) } == .tooLarge)
    }

    @Test(.enabled(if: access("/sys/kernel/notes", R_OK) == 0, "this host hides its kernel's notes"))
    func readsTheKernelOfThisHost() throws {
        let identity = try RunningKernel().identity
        let notes = try FileSource(path: "/sys/kernel/notes").readAll()
        let id = identity.buildID.bytes
        #expect(notes.indices.contains { notes[$0...].starts(with: id) })
        #expect(identity.release == String(try ShellCommand("uname", "-r").run().text.dropLast()))
        #expect(identity.versionLine?.isEmpty == false)
        #expect(identity.hasBTF == (access("/sys/kernel/btf/vmlinux", F_OK) == 0))
    }
}
