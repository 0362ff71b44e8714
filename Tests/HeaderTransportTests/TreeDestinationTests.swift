import KHeaderTestSupport
import Testing

@testable import HeaderTransport

@Suite struct TreeDestinationTests {
    @Test func anEmptyFolderOrNothingWillDo() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("empty")
            #expect(try TreeDestination(folder.path("empty")).path == folder.path("empty"))
            #expect(try TreeDestination(folder.path("new/")).path == folder.path("new"))
            #expect(try TreeDestination(folder.path("empty/../new")).path == folder.path("new"))
            #expect(try TreeDestination(folder.path("new")).stagingPrefix == folder.path(".new."))
        }
        #expect(try TreeDestination("/no-such-folder-of-headers").stagingPrefix == "/.no-such-folder-of-headers.")
    }

    @Test func whatIsThereIsNotTouched() throws {
        try withTemporaryFolder { folder in
            try folder.write([], to: "full/.hidden")
            try folder.write([], to: "file")
            try ShellCommand("ln", "-s", folder.path("nowhere"), folder.path("link")).output()
            for name in ["full", "file", "link"] {
                #expect(throws: TreeFetchError.destinationTaken(folder.path(name))) {
                    try TreeDestination(folder.path(name))
                }
            }
        }
    }

    @Test(arguments: ["", "/", ".", "..", "a/..", "//", "no-such-folder/tree"])
    func aPlaceWithoutANameOrParentIsRefused(text: String) {
        #expect { try TreeDestination(text) } throws: { error in
            if case TreeFetchError.destinationUnusable(text, _) = error { true } else { false }
        }
    }
}
