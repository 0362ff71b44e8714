import Glibc
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

    @Test func whatBecomesOfItIsSaidBefore() throws {
        try withTemporaryFolder { folder in
            let spool = Spool(folder: folder.path("spool"))
            #expect(spool.condition == .toBeMade && spool.isUsable)
            #expect(try FolderListing.names(in: folder.path("")).isEmpty, "nothing is made by looking")
            try spool.mark("boot")
            #expect(spool.condition == .ready && spool.isUsable)
            // The last folder only is made.
            let deeper = Spool(folder: folder.path("none/spool"))
            #expect(deeper.condition == .unusable(isThere: false, number: ENOENT) && !deeper.isUsable)
            #expect(throws: SystemCallError.self) { try deeper.mark("boot") }
            let beneathAFile = Spool(folder: folder.path("spool/unreported/spool"))
            #expect(beneathAFile.condition == .unusable(isThere: true, number: ENOTDIR))
        }
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
