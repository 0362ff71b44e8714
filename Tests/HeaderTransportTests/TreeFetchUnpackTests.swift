import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// What happens between a bundle's bytes and the folder, without a network.
@Suite struct TreeFetchUnpackTests {
    private let kernel = SmallKernel(hasLargeFile: false)

    @discardableResult
    private func unpack(
        _ bundle: [UInt8], _ tree: KernelHeaders.Digest, to folder: String,
        access: TreeExtractor.Access = .writable, _ cancellation: Cancellation = Cancellation()
    ) throws -> TreeUnpacker.Tree {
        let unpacker = TreeUnpacker(folder: folder, access: access)
        return try TreeFetch.unpack(MemorySource(bundle), tree, to: unpacker, cancellation)
    }

    /// A tar of the kernel's files, changed.
    private func bundle(_ change: (inout TarForge, String, [UInt8]) -> Bool) -> [UInt8] {
        var forge = TarForge()
        for (path, contents) in kernel.entries where path.utf8.count <= 90 {
            switch contents {
            case .file(let bytes, let executable):
                if change(&forge, path, bytes) { forge.addFile(path, bytes, mode: executable ? 0o755 : 0o644) }
            case .link(let target): if change(&forge, path, []) { forge.addLink(path, to: target) }
            }
        }
        return forge.finished()
    }

    private var manifestOfShortPaths: TreeManifest {
        get throws { TreeManifest(entries: try kernel.manifest.entries.filter { $0.path.string.utf8.count <= 90 }) }
    }

    @Test func aGoodBundleBecomesTheTree() throws {
        try withTemporaryFolder { folder in
            let manifest = try kernel.manifest
            try folder.makeFolder("tree")
            let tree = try unpack(try kernel.archive(.zstd), manifest.digest, to: folder.path("tree"))
            #expect(tree.digest == manifest.digest)
            #expect(tree.files == manifest.fileCount)
            #expect(tree.bytes == manifest.contentBytes)
            #expect(try HeaderFolder(source: folder.path("tree")).read(ManifestOnly()) == manifest)
        }
    }

    private func expectNothing(
        _ bundle: [UInt8], _ isExpected: (any Error) -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("tree")
            #expect(sourceLocation: sourceLocation) {
                try unpack(bundle, try manifestOfShortPaths.digest, to: folder.path("tree"))
            } throws: { isExpected($0) }
            #expect(folder.names(in: "tree").isEmpty, sourceLocation: sourceLocation)
        }
    }

    private func differs(_ error: any Error) -> Bool {
        guard let error = error as? TreeFetchError, case .treeDiffers = error else { return false }
        return error.code == "tree-differs"
    }

    private let victim = "include/linux/sched.h"

    @Test func anUnchangedBundleIsTheControl() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("tree")
            try unpack(bundle { _, _, _ in true }, try manifestOfShortPaths.digest, to: folder.path("tree"))
        }
    }

    @Test func aFlippedBitStopsIt() throws {
        let bundle = bundle { forge, path, bytes in
            guard path == victim else { return true }
            var bytes = bytes
            bytes[bytes.count / 2] ^= 1
            forge.addFile(path, bytes)
            return false
        }
        try expectNothing(bundle, differs)
    }

    @Test func anotherSizeStopsIt() throws {
        let bundle = bundle { forge, path, bytes in
            guard path == victim else { return true }
            forge.addFile(path, bytes + [10])
            return false
        }
        try expectNothing(bundle, differs)
    }

    @Test func anotherExecutableBitStopsIt() throws {
        let bundle = bundle { forge, path, bytes in
            guard path == victim else { return true }
            forge.addFile(path, bytes, mode: 0o755)
            return false
        }
        try expectNothing(bundle, differs)
    }

    @Test func aMissingFileStopsIt() throws {
        try expectNothing(bundle { _, path, _ in path != victim }, differs)
    }

    @Test func theLastFileMissingStopsIt() throws {
        let last = try #require(try manifestOfShortPaths.entries.last).path.string
        try expectNothing(bundle { _, path, _ in path != last }, differs)
    }

    @Test func aMissingLinkStopsIt() throws {
        try expectNothing(bundle { _, path, _ in path != SmallKernel.linkPath }, differs)
    }

    @Test func anotherLinkStopsIt() throws {
        let bundle = bundle { forge, path, _ in
            guard path == SmallKernel.linkPath else { return true }
            forge.addLink(path, to: "else.h")
            return false
        }
        try expectNothing(bundle, differs)
    }

    @Test func anUnexpectedFileStopsIt() throws {
        let bundle = bundle { forge, path, _ in
            if path == victim { forge.addFile("include/linux/extra.h", "extra") }
            return true
        }
        try expectNothing(bundle, differs)
    }

    @Test func anotherKernelsTreeStopsIt() throws {
        try expectNothing(try SmallKernel(revision: 2, hasLargeFile: false).archive(.zstd), differs)
    }

    /// Equal contents under two paths: a bundle has them twice, another server's may not.
    @Test func aHardLinkIsTheSameFileAgain() throws {
        let paths = ["arch/x86/include/generated/asm/early_ioremap.h", "arch/x86/include/generated/asm/mmiowb.h"]
        let contents = try #require(kernel.contents(paths[1]))
        var forge = TarForge()
        forge.addFile(paths[1], contents)
        forge.addHardLink(paths[0], to: paths[1])
        let kind = TreeManifest.Kind.file(
            size: contents.count, digest: SHA256Hash.digest(of: contents), executable: false)
        let manifest = TreeManifest(
            entries: try paths.map { .init(path: try #require(HeaderPath($0)), kind: kind) })
        try withTemporaryFolder { folder in
            try folder.makeFolder("tree")
            try unpack(forge.finished(), manifest.digest, to: folder.path("tree"))
            for path in paths { #expect(try folder.read("tree/\(path)") == contents) }
        }
    }

    @Test func aTruncatedBundleStopsIt() throws {
        let whole = try CompressionTool.zstd.compress(bundle { _, _, _ in true })
        for count in [0, 1, 100, whole.count / 2, whole.count - 1] {
            try expectNothing(Array(whole.prefix(count))) { error in
                if case TreeFetchError.bundleRefused = error { true } else { false }
            }
        }
    }

    @Test func aCancelledOneLeavesNothing() throws {
        try withTemporaryFolder { folder in
            let cancellation = Cancellation()
            cancellation.cancel()
            try folder.makeFolder("tree")
            #expect(throws: CancellationError.self) {
                try unpack(kernel.tar, try kernel.manifest.digest, to: folder.path("tree"), cancellation)
            }
            #expect(folder.names(in: "tree").isEmpty)
        }
    }
}
