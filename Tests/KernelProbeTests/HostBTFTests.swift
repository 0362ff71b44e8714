internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

@Suite struct HostBTFTests {
    private static let place = "sys/kernel/btf/vmlinux"

    private static func code(_ root: TemporaryFolder) -> ProblemCode? {
        do { _ = try HostBTF(root: root.path) } catch let problem as Problem { return problem.code } catch {}
        return nil
    }

    @Test func itIsOfferedWithItsDigest() throws {
        try withTemporaryFolder { root in
            #expect(try HostBTF(root: root.path) == nil)
            let bytes = SmallBTF.bytes(["sched", "mm"])
            try root.write(bytes, to: Self.place)
            let btf = try #require(try HostBTF(root: root.path))
            #expect(btf.bytes == bytes.count)
            #expect(try btf.digest() == SHA256Hash.digest(of: bytes))
            let descriptor = try btf.contents.descriptor()
            defer { close(descriptor) }
            #expect(try FileSource(borrowing: descriptor).readAll() == bytes)
        }
    }

    @Test func whatIsNoBTFIsRefused() throws {
        try withTemporaryFolder { root in
            try root.write("no BTF, but long enough for its header".utf8, to: Self.place)
            #expect(Self.code(root) == .btfMalformed)
            try root.write(SmallBTF.bytes().dropLast(), to: Self.place)
            #expect(Self.code(root) == .btfMalformed)
            unlink(root.path(Self.place))
            try root.makeFolder(Self.place)
            #expect(Self.code(root) == .btfMalformed)
        }
    }

    @Test func overTheLimitItIsRefused() throws {
        try withTemporaryFolder { root in
            try root.write(SmallBTF.bytes(), to: Self.place)
            truncate(root.path(Self.place), HostBTF.limit)
            #expect(try HostBTF(root: root.path)?.bytes == HostBTF.limit)
            truncate(root.path(Self.place), HostBTF.limit + 1)
            #expect(Self.code(root) == .btfMalformed)
        }
    }

    @Test func whatBecomesShorterIsRefused() throws {
        try withTemporaryFolder { root in
            try root.write(SmallBTF.bytes(), to: Self.place)
            let btf = try #require(try HostBTF(root: root.path))
            truncate(root.path(Self.place), 30)
            #expect(throws: Problem.self) { try btf.digest() }
        }
    }

    @Test func closedToThisUserItIsAnError() throws {
        try withTemporaryFolder { root in
            try root.write(SmallBTF.bytes(), to: Self.place, mode: 0)
            #expect(throws: SystemCallError.self) { try withoutCapabilities { _ = try HostBTF(root: root.path) } }
        }
    }
}
