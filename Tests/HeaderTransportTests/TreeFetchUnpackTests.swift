import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderTransport

/// What happens between a bundle's bytes and the folder, without a network.
@Suite struct TreeFetchUnpackTests {
    private let kernel = SmallKernel(hasLargeFile: false)

    private func unpack(
        _ bundle: [UInt8], _ manifest: TreeManifest, to destination: String,
        _ cancellation: Cancellation = Cancellation()
    ) throws {
        try TreeFetch.unpack(MemorySource(bundle), manifest, to: try TreeDestination(destination), cancellation)
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

    @Test(arguments: [nil, "in place"])
    func aGoodBundleBecomesTheTree(existing: String?) throws {
        try withTemporaryFolder { folder in
            if existing != nil { try folder.makeFolder("tree") }
            try unpack(try kernel.archive(.zstd), kernel.manifest, to: folder.path("tree"))
            #expect(folder.names() == ["tree"])
            let visitor = ManifestOnly()
            #expect(try HeaderFolder(source: folder.path("tree")).read(visitor) == kernel.manifest)
        }
    }

    @Test func aTrailingSlashIsNoOtherPlace() throws {
        try withTemporaryFolder { folder in
            try unpack(kernel.tar, kernel.manifest, to: folder.path("tree") + "//")
            #expect(folder.names() == ["tree"])
        }
    }

    private func expectNothing(
        _ bundle: [UInt8], _ isExpected: (any Error) -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try withTemporaryFolder { folder in
            #expect(sourceLocation: sourceLocation) {
                try unpack(bundle, try manifestOfShortPaths, to: folder.path("tree"))
            } throws: { isExpected($0) }
            #expect(folder.names().isEmpty, sourceLocation: sourceLocation)
        }
    }

    private func differs(at path: String) -> (any Error) -> Bool {
        { error in if case TreeFetchError.treeDiffers(path, _) = error { true } else { false } }
    }

    private let victim = "include/linux/sched.h"

    @Test func anUnchangedBundleIsTheControl() throws {
        try withTemporaryFolder { folder in
            try unpack(bundle { _, _, _ in true }, try manifestOfShortPaths, to: folder.path("tree"))
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
        try expectNothing(bundle, differs(at: victim))
    }

    @Test func anotherSizeStopsIt() throws {
        let bundle = bundle { forge, path, bytes in
            guard path == victim else { return true }
            forge.addFile(path, bytes + [10])
            return false
        }
        try expectNothing(bundle, differs(at: victim))
    }

    @Test func anotherExecutableBitStopsIt() throws {
        let bundle = bundle { forge, path, bytes in
            guard path == victim else { return true }
            forge.addFile(path, bytes, mode: 0o755)
            return false
        }
        try expectNothing(bundle, differs(at: victim))
    }

    @Test func aMissingFileStopsIt() throws {
        try expectNothing(bundle { _, path, _ in path != victim }, differs(at: victim))
    }

    @Test func theLastFileMissingStopsIt() throws {
        let last = try #require(try manifestOfShortPaths.entries.last).path.string
        try expectNothing(bundle { _, path, _ in path != last }, differs(at: last))
    }

    @Test func aMissingLinkStopsIt() throws {
        try expectNothing(bundle { _, path, _ in path != SmallKernel.linkPath }, differs(at: SmallKernel.linkPath))
    }

    @Test func anotherLinkStopsIt() throws {
        let bundle = bundle { forge, path, _ in
            guard path == SmallKernel.linkPath else { return true }
            forge.addLink(path, to: "else.h")
            return false
        }
        try expectNothing(bundle, differs(at: SmallKernel.linkPath))
    }

    @Test func anUnexpectedFileStopsIt() throws {
        let bundle = bundle { forge, path, _ in
            if path == victim { forge.addFile("include/linux/extra.h", "extra") }
            return true
        }
        try expectNothing(bundle, differs(at: "include/linux/extra.h"))
    }

    @Test func aHardLinkInPlaceOfAFileStopsIt() throws {
        // Equal contents under two paths: the manifest cannot tell, the missing file can.
        let twin = "arch/x86/include/generated/asm/early_ioremap.h"
        var contents: [UInt8] = []
        var forge = TarForge()
        let other = "arch/x86/include/generated/asm/mmiowb.h"
        contents = try #require(kernel.contents(other))
        forge.addFile(other, contents)
        forge.addHardLink(twin, to: other)
        let kind = TreeManifest.Kind.file(
            size: contents.count, digest: SHA256Hash.digest(of: contents), executable: false)
        let manifest = TreeManifest(
            entries: try [twin, other].map { .init(path: try #require(HeaderPath($0)), kind: kind) })
        try withTemporaryFolder { folder in
            #expect(throws: TreeFetchError.self) { try unpack(forge.finished(), manifest, to: folder.path("tree")) }
            #expect(folder.names().isEmpty)
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
            #expect(throws: CancellationError.self) {
                try unpack(kernel.tar, kernel.manifest, to: folder.path("tree"), cancellation)
            }
            #expect(folder.names().isEmpty)
        }
    }

    @Test func theSlowerOfTwoLosesAndLeavesTheOthersTree() throws {
        try withTemporaryFolder { folder in
            let slower = try TreeDestination(folder.path("tree"))
            try folder.write(Array("mine".utf8), to: "tree/include/linux/first.h")
            #expect(throws: TreeFetchError.destinationTaken(folder.path("tree"))) {
                try TreeFetch.unpack(MemorySource(kernel.tar), kernel.manifest, to: slower, Cancellation())
            }
            #expect(folder.names() == ["tree"])
            #expect(try folder.read("tree/include/linux/first.h") == Array("mine".utf8))
        }
    }
}
