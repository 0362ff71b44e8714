import HeaderArchive
import HostAgent
import KHeaderTestSupport
import Testing

@Suite struct SpoolTests {
    @Test func remembersThatABootIsNotReportedAndNothingElse() throws {
        try withTemporaryFolder { folder in
            let spool = Spool(folder: folder.path(""))
            #expect(!spool.holds("boot 1"))
            try spool.mark("boot 1")
            #expect(spool.holds("boot 1") && !spool.holds("boot 2"))
            #expect(try folder.read("unreported") == Array("boot 1\n".utf8))
            try spool.mark("boot 2")
            #expect(spool.holds("boot 2") && !spool.holds("boot 1"))
            #expect(try FolderListing.names(in: folder.path("")) == ["unreported"])
            try spool.clear()
            #expect(!spool.holds("boot 2"))
            try spool.clear()
            #expect(try FolderListing.names(in: folder.path("")).isEmpty)
        }
    }

    @Test func aFolderThatIsNotThereIsSaidSo() {
        let spool = Spool(folder: "/proc/nowhere")
        #expect(throws: SystemCallError.self) { try spool.mark("boot") }
        #expect(!spool.holds("boot"))
    }

    @Test func aLinkIsNotFollowed() throws {
        try withTemporaryFolder { folder in
            try folder.write("precious".utf8, to: "other")
            try ShellCommand("ln", "-s", folder.path("other"), folder.path("unreported")).output()
            #expect(throws: SystemCallError.self) { try Spool(folder: folder.path("")).mark("boot") }
            #expect(try folder.read("other") == Array("precious".utf8))
        }
    }
}
