import Glibc
import KHeaderTestSupport
import Testing
import TracingClient

@Suite struct CacheFolderTests {
    private static func place(
        option: String? = nil, userID: UInt32 = 1000, _ variables: [String: String] = [:]
    ) throws(CacheError) -> String {
        try CacheFolder.place(option: option, userID: userID) { variables[$0] }
    }

    @Test func theOptionComesFirstThenTheVariableThenThePlaceOfTheUser() throws {
        let all = [
            "KHEADER_CACHE": "/variable", "XDG_RUNTIME_DIR": "/run/user/1000", "XDG_CACHE_HOME": "/xdg",
            "HOME": "/home/u",
        ]
        #expect(try Self.place(option: "given", all) == "given")
        #expect(try Self.place(all) == "/variable")
        #expect(try Self.place(userID: 0, all.filter { $0.key != "KHEADER_CACHE" }) == "/run/kheader")
        #expect(try Self.place(all.filter { $0.key != "KHEADER_CACHE" }) == "/run/user/1000/kheader")
        #expect(try Self.place(["XDG_CACHE_HOME": "/xdg", "HOME": "/home/u"]) == "/xdg/kheader")
        #expect(try Self.place(["HOME": "/home/u"]) == "/home/u/.cache/kheader")
    }

    /// The XDG specification: a path that is not absolute is to be ignored.
    @Test func relativeXDGFoldersAreIgnored() throws {
        #expect(try Self.place(["XDG_RUNTIME_DIR": "run", "HOME": "/home/u"]) == "/home/u/.cache/kheader")
    }

    @Test func nowhereToPutItIsAnError() {
        #expect(throws: CacheError.noPlace) { try Self.place() }
        #expect("\(CacheError.noPlace)".contains("(cache-nowhere)"))
    }

    @Test func itIsMadeWithWhatIsAboveIt() throws {
        try withTemporaryFolder { folder in
            let cache = try CacheFolder(folder.path("a/b/c"))
            #expect(cache.path == folder.path("a/b/c"))
            for made in ["a", "a/b", "a/b/c"] { #expect(try mode(folder.path(made)) == 0o755) }
        }
    }

    @Test func aLinkToItIsFollowedToTheFolderThatIsChecked() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("real")
            symlink("real", folder.path("link"))
            #expect(try CacheFolder(folder.path("link")).path == folder.path("real"))
            chmod(folder.path("real"), 0o777)
            #expect(throws: CacheError.self) { try CacheFolder(folder.path("link")) }
        }
    }

    @Test(arguments: [mode_t(0o775), 0o757, 0o1777])
    func aFolderThatOthersCanWriteToIsNotUsed(mode: mode_t) throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("cache")
            chmod(folder.path("cache"), mode)
            let reason = "other users can write to it"
            #expect(throws: CacheError.unsafe(path: folder.path("cache"), reason: reason)) {
                try CacheFolder(folder.path("cache"))
            }
        }
    }

    /// Who can write to the folder above can put another one in its place; not so with the sticky bit, as in /tmp.
    @Test func neitherIsOneInAFolderThatOthersCanWriteTo() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("shared/cache")
            chmod(folder.path("shared"), 0o777)
            #expect(throws: CacheError.self) { try CacheFolder(folder.path("shared/cache")) }
            chmod(folder.path("shared"), 0o1777)
            #expect(try CacheFolder(folder.path("shared/cache")).path == folder.path("shared/cache"))
        }
    }

    /// Nor is anything made there.
    @Test func nothingIsMadeBelowAFolderThatOthersCanWriteTo() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("shared")
            chmod(folder.path("shared"), 0o777)
            #expect(throws: CacheError.self) { try CacheFolder(folder.path("shared/new/cache")) }
            #expect(folder.names(in: "shared").isEmpty)
        }
    }

    @Test func aFolderOfAnotherUserIsNotUsed() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("cache")
            // To this user it is its own; to the one that is asked about, another's, unless it is root's.
            let stranger = geteuid() + 4321
            if geteuid() == 0 { chown(folder.path("cache"), 1234, 1234) }
            #expect {
                try CacheFolder(folder.path("cache"), userID: stranger)
            } throws: {
                "\($0)".contains("belongs to another user") && "\($0)".contains("(cache-unsafe)")
            }
        }
    }

    @Test func aFileInItsPlaceIsAnError() throws {
        try withTemporaryFolder { folder in
            try folder.write("".utf8, to: "cache")
            #expect {
                try CacheFolder(folder.path("cache"))
            } throws: {
                "\($0)".contains("is not a folder") && "\($0)".contains("(cache-unwritable)")
            }
        }
    }

    private func mode(_ path: String) throws -> mode_t {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return status.st_mode & 0o7777
    }
}
