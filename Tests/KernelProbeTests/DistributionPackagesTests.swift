internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

/// Debian's own packages, in the folder that `make test-deps` fills, against Debian's own tools.
@Suite struct DistributionPackagesTests {
    private static let folder = getenv("KHEADERD_PACKAGES").map { String(cString: $0) }

    private static func packages(_ folder: String) throws -> [String] {
        let all = try ShellCommand("find", folder, "-maxdepth", "1", "-name", "linux-*.deb").run().text
        let paths = all.split(separator: "\n").map { String($0) }.sorted()
        // The folder may have headers without an image, for the benchmark.
        let images = paths.filter { $0.contains("/linux-image-") }
        return paths.filter { path in
            guard let name = path.split(separator: "/").last?.split(separator: "_").first else { return false }
            return images.contains(path) || name.contains("-common")
                || images.contains { $0.contains("/linux-image-\(name.dropFirst("linux-headers-".count))_") }
        }
    }

    /// The way of the kernel's `scripts/extract-vmlinux`: search for a compressor's magic, and try.
    private static func buildID(ofBootImage path: String, _ folder: TemporaryFolder) throws -> String? {
        let image = try FileSource(path: path).readAll()
        let tools: [(command: [String], magic: [UInt8])] = [
            (["xz", "-dcq", "--single-stream"], [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]),
            (["zstd", "-dcq"], [0x28, 0xB5, 0x2F, 0xFD]),
            (["lz4", "-dcq"], [0x02, 0x21, 0x4C, 0x18]), (["gzip", "-dcq"], [0x1F, 0x8B, 8]),
        ]
        for (command, magic) in tools {
            var rest = image[...]
            while let start = rest.firstIndex(of: magic[0]) {
                rest = rest[start...]
                if rest.starts(with: magic) {
                    let tool = ShellCommand(command[0], Array(command.dropFirst()))
                    let kernel = try tool.run(Array(rest)).output
                    if kernel.starts(with: [0x7F, 0x45, 0x4C, 0x46]) {
                        let file = try folder.write(kernel, to: "vmlinux")
                        let notes = try ShellCommand("readelf", "-n", file).run().text
                        return notes.split(separator: "\n").first { $0.contains("Build ID:") }?
                            .split(separator: " ").last.map { String($0) }
                    }
                }
                rest = rest.dropFirst()
            }
        }
        return nil
    }

    @Test(.enabled(if: folder != nil, "KHEADERD_PACKAGES names no folder of Debian's kernel packages"))
    func realKernelsAreWhatOtherToolsSay() throws {
        let paths = try Self.packages(try #require(Self.folder))
        let packages = try KernelPackages(paths: paths)
        for kernel in packages.kernels {
            try withTemporaryFolder { folder in
                let image = try #require(paths.first { $0.contains("/linux-image-\(kernel.release)") })
                let trees = folder.path("trees")
                try folder.makeFolder("trees")
                // Not `dpkg-deb -x`: of an image package it writes 400 MB of modules.
                let take = "dpkg-deb --fsys-tarfile \"$1\" | tar -x -C \"$2\" --wildcards"
                for path in kernel.headerPackages {
                    try ShellCommand("sh", "-c", "\(take) '*.h'", "sh", path, trees).output()
                }
                let name = "./boot/vmlinuz-\(kernel.release)"
                try ShellCommand("sh", "-c", "\(take) --occurrence=1 \"$3\"", "sh", image, trees, name).output()
                #expect(
                    try Self.buildID(ofBootImage: "\(trees)/boot/vmlinuz-\(kernel.release)", folder)
                        == kernel.identity.buildID.description)
                // The boot protocol's label has no compiler in it: RELEASE (BUILDER) #NUMBER ….
                let label = try #require(try BootImage(FileBytes(path: "\(trees)/\(name)")).banner?.line)
                let number = try #require(label.utf8.firstIndex(of: UInt8(ascii: "#")))
                #expect(kernel.identity.versionLine?.hasSuffix(label[number...]) == true)
                #expect(label.contains(kernel.version))
                #expect(kernel.identity.hasBTF == true)

                let place = try folder.makeFolder("unpacked")
                try kernel.unpackHeaders(into: place)
                let ours = try HeaderFolder(source: "\(place)/source", build: "\(place)/build")
                let common = try #require(kernel.common?.name)
                let theirs = try HeaderFolder(
                    source: "\(trees)/usr/src/\(common)", build: "\(trees)/usr/src/linux-headers-\(kernel.release)")
                let manifest = try ours.read(ManifestOnly())
                #expect(manifest == (try theirs.read(ManifestOnly())))
                #expect(manifest.fileCount > 5_000)
                #expect(manifest[try #require(HeaderPath("include/generated/utsrelease.h"))] != nil)
            }
        }
    }
}
