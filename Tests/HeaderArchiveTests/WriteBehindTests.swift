import Glibc
@testable import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct WriteBehindTests {
    private static let allBatches = WriteBehind.batchCount * WriteBehind.batchBytes

    /// A file larger than all batches, and then small ones.
    private static let forge: TarForge = {
        var forge = TarForge.withHeader()
        forge.addFile("include/large.h", (0...2 * allBatches).map { UInt8(truncatingIfNeeded: $0 / 251) })
        for number in 0..<500 { forge.addFile("include/small/\(number).h", "\(number)\n") }
        return forge
    }()

    private static let tar = forge.finished()

    private struct Failure: Error, Equatable {
        let call: Int
    }

    /// Counts the calls, and fails at one.
    private final class FailingVisitor: TreeVisitor {
        private(set) var calls = 0
        private let failing: Int

        init(at failing: Int) { self.failing = failing }

        func beginFile(_ path: HeaderPath, size: Int, executable: Bool) throws { try count() }
        func write(_ bytes: UnsafeRawBufferPointer) throws { try count() }
        func endFile(_ path: HeaderPath, digest: KernelHeaders.Digest) throws { try count() }

        private func count() throws {
            calls += 1
            if calls == failing { throw Failure(call: calls) }
        }
    }

    private func read(_ tar: [UInt8], into visitor: any TreeVisitor) throws -> TreeManifest {
        try WriteBehind.read(into: visitor) { try HeaderTreeReader.read(MemorySource(tar), visitor: $0) }
    }

    @Test func theVisitorGetsTheSameFilesInTheSameOrder() throws {
        let (direct, behind) = (RecordingVisitor(), RecordingVisitor())
        var forge = Self.forge
        // Empty, so that batches are full of events before they are full of bytes.
        forge.addNumberedFiles(2 * WriteBehind.batchEvents)
        let manifest = try HeaderTreeReader.read(MemorySource(forge.finished()), visitor: direct)
        #expect(try read(forge.finished(), into: behind) == manifest)
        #expect(behind.order == direct.order)
        // That these are the manifest's is checked by the visitor, digest by digest.
        let isSame = behind.contents == direct.contents
        #expect(isSame)
        #expect(behind.contents.values.contains { $0.count > Self.allBatches })
    }

    @Test func eachVisitorIsLetGoOf() throws {
        let forge = TarForge.withHeader()
        for _ in 0..<500 {
            weak var visitor: RecordingVisitor?
            do {
                let strong = RecordingVisitor()
                visitor = strong
                #expect(try read(forge.finished(), into: strong).fileCount == 1)
            }
            #expect(visitor == nil)
        }
    }

    /// Early, where the reader still reads, and at the very end, where it has read all.
    @Test func anErrorOfTheVisitorIsThrownAndItsLastCall() throws {
        let whole = FailingVisitor(at: 0)
        _ = try read(Self.tar, into: whole)
        for failing in [1, 2, 10, whole.calls / 2, whole.calls - 1, whole.calls] {
            for _ in 0..<20 {
                let visitor = FailingVisitor(at: failing)
                #expect(throws: Failure(call: failing)) { _ = try read(Self.tar, into: visitor) }
                #expect(visitor.calls == failing)
            }
        }
    }

    @Test func theReaderIsStoppedByAnErrorOfTheVisitor() throws {
        let path = try #require(HeaderPath("include/endless.h"))
        let bytes = [UInt8](repeating: 10, count: 1 << 16)
        #expect(throws: Failure(call: 2)) {
            try WriteBehind.read(into: FailingVisitor(at: 2)) { visitor in
                try visitor.beginFile(path, size: .max, executable: false)
                while true { try bytes.withUnsafeBytes { try visitor.write($0) } }
            }
        }
    }

    /// Wherever the archive ends, nothing is written any more when the folder is emptied.
    @Test func anErrorOfTheReaderLeavesAnEmptyFolder() throws {
        try withTemporaryFolder { folder in
            let unpacker = TreeUnpacker(folder: folder.path)
            for round in 0..<200 {
                let problem = #expect(throws: Problem.self) {
                    try unpacker.unpack(MemorySource(Array(Self.tar.prefix(512 + Self.tar.count / 256 * round))))
                }
                #expect(problem?.code == .archiveTruncated)
                #expect(folder.names().isEmpty)
            }
            let whole = try unpacker.unpack(MemorySource(Self.tar))
            #expect(whole.bytes > Self.allBatches)
        }
    }

    @Test(.enabled(if: SmallDisk.canMount, "takes the right to mount a tmpfs"))
    func aDiskThatFillsUpUnderALargeFileIsSaidAndNothingIsLeft() throws {
        let disk = try SmallDisk(bytes: Self.allBatches)
        let folder = "\(disk.path)/tree"
        try TemporaryFolder.makeFolders(folder)
        var forge = TarForge.withHeader()
        forge.addFile("include/large.h", [UInt8](repeating: 10, count: 2 * Self.allBatches))
        for _ in 0..<20 {
            let problem = #expect(throws: Problem.self) {
                try TreeUnpacker(folder: folder).unpack(MemorySource(forge.finished()))
            }
            #expect(problem?.code == .diskFull)
            #expect(try FolderListing.names(in: folder).isEmpty)
        }
    }
}
