import Glibc
import KHeaderTestSupport
import Testing

@testable import PrecompiledHeaders

/// dpkg's files as it writes them, read without dpkg.
@Suite struct DpkgDatabaseTests {
    private static let path = "/usr/lib/llvm-14/lib/libclang-cpp.so.14"
    private static let package = "libclang-cpp14"

    private static func stanza(
        _ package: String = package, _ version: String = "1:14.0.6-12", architecture: String = "amd64"
    ) -> String {
        """
        Package: \(package)
        Status: install ok installed
        Architecture: \(architecture)
        Multi-Arch: same
        Version: \(version)
        Depends: libc6 (>= 2.34)
        Description: C++ interface
         Package: libclang-cpp14
        Version-Of: nothing

        """
    }

    private static func version(
        _ status: String, list: String = "\(package):amd64.list", paths: String = "/.\n/usr\n\(path)\n",
        changes: [String] = [], hasUpdates: Bool = true
    ) throws -> String? {
        try withTemporaryFolder { folder in
            if hasUpdates { try folder.makeFolder("updates") }
            for name in changes { try folder.write([], to: "updates/\(name)") }
            try folder.write(status.utf8, to: "status")
            try folder.write(paths.utf8, to: "info/\(list)")
            return DpkgDatabase(folder.path).version(of: package, with: path)
        }
    }

    @Test(arguments: [
        stanza(), stanza("a", "1") + "\n" + stanza() + "\n" + stanza("z", "2"),
        // Of other names that begin or end alike.
        stanza("libclang-cpp14-dev", "1") + "\n" + stanza("xlibclang-cpp14", "2") + "\n" + stanza(),
    ])
    func theVersionIsThatOfThePackagesStanza(_ status: String) throws {
        #expect(try Self.version(status) == "1:14.0.6-12")
        #expect(try Self.version(status, list: "\(Self.package).list") == "1:14.0.6-12")
    }

    /// Whatever is not plain is left to dpkg itself.
    @Test func otherwiseDpkgIsAsked() throws {
        let status = Self.stanza()
        #expect(try Self.version(Self.stanza("other")) == nil)
        #expect(try Self.version("") == nil)
        // Two architectures.
        #expect(try Self.version(status + "\n" + Self.stanza(architecture: "i386")) == nil)
        #expect(try Self.version(Self.stanza(Self.package, "")) == nil)
        // The list of another architecture, and one that has other files: the beginning of the path, or more.
        #expect(try Self.version(status, list: "\(Self.package):i386.list") == nil)
        #expect(try Self.version(status, paths: "/usr/lib\n\(Self.path).1\n\(Self.path.dropLast())\n") == nil)
        // What dpkg has not yet put into its status.
        #expect(try Self.version(status, changes: ["0001"]) == nil)
        #expect(try Self.version(status, hasUpdates: false) == "1:14.0.6-12")
        #expect(DpkgDatabase("/nowhere").version(of: Self.package, with: Self.path) == nil)
    }

    @Test func aChangedVersionIsSeenAtOnce() throws {
        try withTemporaryFolder { folder in
            try folder.write("\(Self.path)\n".utf8, to: "info/\(Self.package).list")
            for version in ["1:14.0.6-12", "1:14.0.6-13"] {
                try folder.write(Self.stanza(Self.package, version).utf8, to: "status")
                #expect(DpkgDatabase(folder.path).version(of: Self.package, with: Self.path) == version)
            }
        }
    }

    /// Large hosts have more in it than what other small files may have.
    @Test func aLargeStatusIsReadAndATooLargeOneIsNot() throws {
        try withTemporaryFolder { folder in
            try folder.write("\(Self.path)\n".utf8, to: "info/\(Self.package).list")
            let status = try folder.write((Self.stanza() + "\n").utf8, to: "status")
            for (size, version) in [(DpkgDatabase.statusLimit, "1:14.0.6-12"), (DpkgDatabase.statusLimit + 1, nil)] {
                truncate(status, size)
                #expect(DpkgDatabase(folder.path).version(of: Self.package, with: Self.path) == version)
            }
        }
    }

    /// The real one says what dpkg says.
    @Test(arguments: [14, 16, 19]) func theHostsOwn(_ major: Int) throws {
        let name = "libclang-cpp\(major)"
        let files = try ShellCommand("dpkg-query", "-L", name).run().text.split(separator: "\n").map(String.init)
        let file = try #require(files.first { $0.contains("/libclang-cpp.so.") })
        let version = try ShellCommand("dpkg-query", "-W", "-f", "${Version}", name).run().text
        #expect(DpkgDatabase().version(of: name, with: file) == version)
    }
}
