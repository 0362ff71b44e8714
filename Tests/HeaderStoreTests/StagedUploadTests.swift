import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

@Suite struct StagedUploadTests {
    private let bytes = [UInt8]("an archive, or so".utf8)

    @Test func anUploadIsHashedWhileItIsWritten() throws {
        try withStore(limit: 100) { store, staging in
            let upload = try store.stageUpload(expecting: nil)
            for piece in [bytes[..<5], bytes[5..<5], bytes[5...]] { try piece.withUnsafeBytes { try upload.write($0) } }
            #expect(upload.length == bytes.count)
            #expect(try upload.finish() == Digest(of: bytes))
            #expect(try FileSource(path: upload.path).readAll() == bytes)
        }
    }

    @Test func anUploadThatNobodyHoldsIsGone() throws {
        try withStore(limit: 100) { store, staging in
            for isFinished in [true, false] {
                var upload: StagedUpload? = try store.stageUpload(expecting: bytes.count)
                try bytes.withUnsafeBytes { try upload?.write($0) }
                if isFinished { _ = try upload?.finish() }
                #expect(try FolderListing.names(in: staging).count == 1)
                upload = nil
                #expect(try FolderListing.names(in: staging).isEmpty)
            }
        }
    }

    @Test func anUploadThatSaysItIsTooLargeIsRefusedAtOnce() throws {
        try withStore(limit: bytes.count) { store, staging in
            #expect(throws: Never.self) { try store.stageUpload(expecting: bytes.count) }
            expectTooLarge { _ = try store.stageUpload(expecting: bytes.count + 1) }
            let left = try FolderListing.names(in: staging)
            #expect(left.isEmpty)
        }
    }

    @Test func anUploadThatGrowsTooLargeIsRefused() throws {
        try withStore(limit: bytes.count) { store, staging in
            // It lied, or did not say.
            for expected in [nil, 1] {
                let upload = try store.stageUpload(expecting: expected)
                try bytes.withUnsafeBytes { try upload.write($0) }
                expectTooLarge { try [0].withUnsafeBytes { try upload.write($0) } }
            }
            #expect(try FolderListing.names(in: staging).isEmpty)
        }
    }

    @Test func anUploadReservesItsRoom() throws {
        try withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.freeBytes = { DiskBudget.margin + 1000 } }
            let first = try store.stageUpload(expecting: 600)
            let problem = #expect(throws: Problem.self) { try store.stageUpload(expecting: 600) }
            #expect(problem?.code == .diskFull)
            withExtendedLifetime(first) {}
        }
    }

    private func withStore(limit: Int, _ body: (HeaderStore, _ staging: String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let store = try HeaderStore(folder: folder.path("store")) { $0.limits.archiveBytes = limit }
            #expect(store.uploadLimit == limit)
            try body(store, folder.path("store/staging"))
        }
    }

    private func expectTooLarge(_ body: () throws -> Void) {
        let problem = #expect(throws: Problem.self, performing: body)
        #expect(problem?.code == .uploadTooLarge)
    }
}
