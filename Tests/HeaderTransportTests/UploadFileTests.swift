import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

@Suite struct UploadFileTests {
    @Test func sizeAndDigestAreThoseOfTheFile() throws {
        try withTemporaryFolder { folder in
            let bytes = [UInt8](repeating: 7, count: 700_001)
            let file = try UploadFile(path: folder.write(bytes, to: "archive"), cancellation: Cancellation())
            #expect(file.size == bytes.count)
            #expect(file.digest == SHA256Hash.digest(of: bytes))
            var end = [UInt8](repeating: 0, count: 4)
            let count = try end.withUnsafeMutableBytes { try file.read(at: 700_000, into: $0) }
            #expect(count == 1)
        }
    }

    @Test(arguments: ["folder", "pipe"])
    func onlyFilesAreSent(kind: String) throws {
        try withTemporaryFolder { folder in
            try ShellCommand(kind == "pipe" ? "mkfifo" : "mkdir", folder.path("it")).output()
            #expect { try UploadFile(path: folder.path("it"), cancellation: Cancellation()) } throws: {
                ($0 as? Problem)?.code == .parameterMalformed
            }
        }
    }

    @Test func aMissingFileIsNamed() {
        #expect { try UploadFile(path: "/no/such/archive", cancellation: Cancellation()) } throws: { error in
            "\(error)".contains("/no/such/archive")
        }
    }

    @Test func aCancelledReadEnds() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write([1, 2, 3], to: "archive")
            let cancellation = Cancellation()
            cancellation.cancel()
            #expect(throws: CancellationError.self) { try UploadFile(path: path, cancellation: cancellation) }
        }
    }

    @Test func aFolderIsPackedToTheSameBytesEachTimeAndItsTreeIsTheSame() throws {
        try withTemporaryFolder { folder in
            let kernel = SmallKernel(hasLargeFile: false)
            try kernel.write(to: folder.path("a"))
            try kernel.writeSplit(source: folder.path("b/source"), build: folder.path("b/build"))
            let one = try UploadFile(
                packing: HeaderFolder(source: folder.path("a")), name: "a", cancellation: Cancellation())
            let other = try UploadFile(
                packing: HeaderFolder(source: folder.path("b/source"), build: folder.path("b/build")), name: "b",
                cancellation: Cancellation())
            #expect(one.digest == other.digest)
            var bytes = [UInt8](repeating: 0, count: one.size)
            let count = try bytes.withUnsafeMutableBytes { try one.read(at: 0, into: $0) }
            #expect(count == one.size)
            #expect(try HeaderTreeReader.read(MemorySource(bytes), visitor: ManifestOnly()) == kernel.manifest)
        }
    }
}

@Suite struct StagedFileTests {
    @Test func aCopyReplacesWhatWasThere() throws {
        try withTemporaryFolder { folder in
            let bytes = [UInt8](repeating: 3, count: 200_000)
            let origin = try folder.write(bytes, to: "origin")
            try folder.write([1], to: "copy")
            #expect(try StagedFile.copy(origin, to: folder.path("copy"), Cancellation()) == bytes.count)
            #expect(try folder.read("copy") == bytes)
            #expect(folder.names() == ["copy", "origin"])
        }
    }

    @Test func aCancelledOneLeavesWhatWasThere() throws {
        try withTemporaryFolder { folder in
            let origin = try folder.write([1, 2], to: "origin")
            try folder.write([3], to: "copy")
            let cancellation = Cancellation()
            cancellation.cancel()
            #expect(throws: CancellationError.self) {
                try StagedFile.copy(origin, to: folder.path("copy"), cancellation)
            }
            #expect(try folder.read("copy") == [3])
            #expect(folder.names() == ["copy", "origin"])
        }
    }

    @Test func aFolderInTheWayLeavesNothing() throws {
        try withTemporaryFolder { folder in
            let origin = try folder.write([1, 2], to: "origin")
            try folder.makeFolder("copy")
            #expect(throws: SystemCallError.self) {
                try StagedFile.copy(origin, to: folder.path("copy"), Cancellation())
            }
            #expect(folder.names() == ["copy", "origin"])
        }
    }
}

@Suite struct ScratchFolderTests {
    @Test func removalTakesEverythingAndNothingElse() throws {
        try withTemporaryFolder { folder in
            let outside = try folder.write([1], to: "outside/file")
            let scratch = try ScratchFolder(prefix: folder.path("scratch."))
            try ShellCommand(
                "sh", "-c",
                "cd \"$1\" && mkdir -p a/b/c .d && touch a/b/c/f a/.g h && ln -s \"$2\" link && ln -s a loop",
                "sh", scratch.path, folder.path("outside")
            ).output()
            scratch.remove()
            #expect(folder.names() == ["outside"])
            #expect(try FileSource(path: outside).readAll() == [1])
            // A second time is nothing.
            scratch.remove()
        }
    }

    @Test func aMissingParentIsAnError() {
        #expect(throws: SystemCallError.self) { try ScratchFolder(prefix: "/no/such/folder/x.") }
    }
}
