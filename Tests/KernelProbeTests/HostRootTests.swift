internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
@testable internal import KernelProbe
internal import Testing

/// Paths of a host that is a folder.
@Suite struct HostRootTests {
    private static func withRoot(_ body: (TemporaryFolder, HostRoot) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try folder.write("inside".utf8, to: "host/usr/src/tree/file")
            try folder.write("outside".utf8, to: "file")
            try folder.makeFolder("host/lib")
            try body(folder, HostRoot("\(folder.path("host"))//"))
        }
    }

    private static func errorNumber(_ body: () throws -> Void) -> CInt? {
        do { try body() } catch let error as SystemCallError { return error.number } catch { return nil }
        return nil
    }

    @Test func absoluteLinksStartAtTheRoot() throws {
        try Self.withRoot { folder, root in
            try makeLink(folder.path("host/lib/build"), to: "/usr/src/tree")
            let place = try root.resolve("/lib/build/file")
            #expect(place.hostPath == "/usr/src/tree/file")
            #expect(place.path == folder.path("host/usr/src/tree/file"))
            #expect(try root.read("/lib/build/file") == Array("inside".utf8))
        }
    }

    @Test func relativeLinksStartWhereTheyAre() throws {
        try Self.withRoot { folder, root in
            try makeLink(folder.path("host/lib/build"), to: "../usr/./src//tree")
            #expect(try root.resolve("/lib/build/../tree/file").hostPath == "/usr/src/tree/file")
        }
    }

    @Test(arguments: ["../../../file", "/../../file"]) func nothingLeadsOut(target: String) throws {
        try Self.withRoot { folder, root in
            try makeLink(folder.path("host/lib/build"), to: target)
            #expect(Self.errorNumber { _ = try root.resolve("/lib/build") } == ENOENT)
            try folder.write("inside".utf8, to: "host/file")
            #expect(try root.read("/lib/build") == Array("inside".utf8))
        }
    }

    @Test func loopsEnd() throws {
        try Self.withRoot { folder, root in
            try makeLink(folder.path("host/lib/a"), to: "b")
            try makeLink(folder.path("host/lib/b"), to: "/lib/a")
            #expect(Self.errorNumber { _ = try root.resolve("/lib/a/file") } == ELOOP)
        }
    }

    /// As many links as the kernel follows, and one more.
    @Test func longChainsOfLinksEnd() throws {
        try Self.withRoot { folder, root in
            for number in 1...41 {
                try makeLink(folder.path("host/\(number)"), to: number == 1 ? "usr" : "\(number - 1)")
            }
            #expect(try root.resolve("/40").hostPath == "/usr")
            #expect(Self.errorNumber { _ = try root.resolve("/41") } == ELOOP)
        }
    }

    @Test func aFileIsNoFolder() throws {
        try Self.withRoot { _, root in
            #expect(Self.errorNumber { _ = try root.resolve("/usr/src/tree/file/x") } == ENOTDIR)
        }
    }

    @Test func theHostsOwnRootIsNoFolder() throws {
        #expect(HostRoot("/").isHostsOwn && HostRoot("").isHostsOwn && !HostRoot("/host/").isHostsOwn)
        #expect(try HostRoot().resolve("/proc/version").path == "/proc/version")
    }

    @Test func aFileOverTheLimitIsRefused() throws {
        try Self.withRoot { _, root in
            let all = try root.read("/usr/src/tree/file", limit: 6)
            #expect(all.count == 6)
            #expect(refusal { _ = try root.read("/usr/src/tree/file", limit: 5) } == .tooLarge)
        }
    }

    @Test func aFolderIsNoFile() throws {
        try Self.withRoot { _, root in
            #expect(refusal { _ = try root.open("/usr/src") } == .notAFile)
        }
    }
}
