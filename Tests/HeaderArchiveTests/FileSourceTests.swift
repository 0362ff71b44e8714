import Glibc
import HeaderArchive
import KHeaderTestSupport
import Testing

@Suite struct FileSourceTests {
    @Test func readsAFileToItsEnd() throws {
        try withTemporaryFolder { folder in
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
            let path = try folder.write(bytes, to: "file")
            #expect(try FileSource(path: path).readAll() == bytes)
            #expect(try FileSource(path: folder.write([], to: "empty")).readAll() == [])
        }
    }

    @Test func borrowedFileStaysOpenAndWhereItIs() throws {
        try withTemporaryFolder { folder in
            let descriptor = open(try folder.write(Array("abcdef".utf8), to: "file"), O_RDONLY)
            defer { close(descriptor) }
            lseek(descriptor, 2, SEEK_SET)
            #expect(try FileSource(borrowing: descriptor).readAll() == Array("cdef".utf8))
            #expect(lseek(descriptor, 0, SEEK_CUR) == 6)
        }
    }

    @Test func failuresSayWhatFailed() throws {
        let missing = #expect(throws: SystemCallError.self) { try FileSource(path: "/nonexistent/file") }
        #expect(missing == SystemCallError(call: "open", path: "/nonexistent/file", number: ENOENT))
        #expect(missing?.description == "open /nonexistent/file: No such file or directory")
        #expect(throws: SystemCallError(call: "read", path: nil, number: EISDIR)) {
            try FileSource(path: "/").readAll()
        }
    }
}
