internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport

/// Makes a distribution's kernel packages with `dpkg-deb`, around kernels that do not exist.
struct DebianForge {
    let folder: TemporaryFolder
    /// `xz`, `zstd` or `gzip`.
    var compression = "gzip"

    /// Builds one package.
    ///
    /// - Parameter fill: writes its files below the folder it is given.
    /// - Returns: the package's path.
    func build(
        _ name: String, _ version: String = "6.1.9-2", architecture: String = "amd64", depends: String? = nil,
        fill: (String) throws -> Void = { _ in }
    ) throws -> String {
        let file = "\(name)_\(version)_\(architecture)"
        let tree = try folder.makeFolder("\(file).tree")
        let control = """
            Package: \(name)
            Version: \(version)
            Architecture: \(architecture)
            Maintainer: Nobody <nobody@example.org>
            \(depends.map { "Depends: \($0)\n" } ?? "")Description: a test's package
             that has a second line.

            """
        try folder.write(control.utf8, to: "\(file).tree/DEBIAN/control")
        try fill(tree)
        let path = folder.path("\(file).deb")
        try ShellCommand("dpkg-deb", "--root-owner-group", "-Z\(compression)", "-z1", "--build", tree, path).output()
        return path
    }

    /// An image package; the kernel in it has the release and the build ID.
    func image(
        _ release: String, name: String? = nil, version: String = "6.1.9-2", architecture: String = "amd64",
        buildID: [UInt8] = NoteRun.buildID, inside: String? = nil
    ) throws -> String {
        let banner = "Linux version \(inside ?? release) (a@b) (gcc) #1 SMP\n\0"
        let kernel = SyntheticELF(notes: NoteRun.kernel(buildID), readOnly: Array(banner.utf8)).bytes
        let image = try SyntheticBootImage.around(kernel, ["zstd", "-q"])
        return try build(name ?? "linux-image-\(release)", version, architecture: architecture, depends: "kmod") {
            tree in
            try TemporaryFolder.write(Array("CONFIG_X=y".utf8), to: "\(tree)/boot/config-\(release)")
            try TemporaryFolder.write(image.bytes, to: "\(tree)/boot/vmlinuz-\(release)")
            try TemporaryFolder.write(image.bytes, to: "\(tree)/lib/modules/\(release)/kernel/fs/ext4.ko")
        }
    }

    /// The package of one kernel's own headers, in Debian's layout.
    func flavour(
        _ release: String, version: String = "6.1.9-2", architecture: String = "amd64", depends: String
    ) throws -> String {
        try build("linux-headers-\(release)", version, architecture: architecture, depends: depends) { tree in
            let build = "\(tree)/usr/src/linux-headers-\(release)"
            try SmallKernel(release: release, hasLargeFile: false).writeSplit(source: "\(tree).source", build: build)
            try makeLink("\(build)/scripts", to: "../../lib/linux-kbuild-6.1/scripts")
            try TemporaryFolder.write([], to: "\(build)/include/config/auto.conf")
            try TemporaryFolder.write(Array("other".utf8), to: "\(build)/tools/other.h")
        }
    }

    /// The package of headers that several kernels share; as Debian's, it has other architectures' headers as well.
    func common(_ name: String, version: String = "6.1.9-2") throws -> String {
        try build(name, version, architecture: "all") { tree in
            let source = "\(tree)/usr/src/\(name)"
            try SmallKernel(hasLargeFile: false).writeSplit(source: source, build: "\(tree).build")
            try TemporaryFolder.write(Array("arm".utf8), to: "\(source)/arch/arm/include/asm/page.h")
            try TemporaryFolder.write(Array("all:".utf8), to: "\(source)/include/Kbuild")
        }
    }

    /// All packages of a kernel in Debian's layout.
    func kernel(_ release: String, version: String = "6.1.9-2", buildID: [UInt8] = NoteRun.buildID) throws -> [String] {
        [
            try flavour(
                release, version: version,
                depends: "linux-headers-6.1.0-9-common (= \(version)), linux-kbuild-6.1 (>= \(version))"),
            try common("linux-headers-6.1.0-9-common", version: version),
            try image(release, version: version, buildID: buildID),
        ]
    }
}

/// An ar archive, flaws included.
func arArchive(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    var archive = Array("!<arch>\n".utf8)
    for member in members {
        func field(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: width - text.count) }
        let header =
            field(member.name, 16) + field("0", 12) + field("0", 6) + field("0", 6) + field("100644", 8)
            + field(String(member.bytes.count), 10) + "`\n"
        archive += Array(header.utf8) + member.bytes
        if member.bytes.count % 2 == 1 { archive.append(10) }
    }
    return archive
}

/// A package around tars that no dpkg-deb would make.
func debianPackage(control: [UInt8]? = nil, data: [UInt8], controlText: String? = nil) -> [UInt8] {
    let text = controlText ?? "Package: linux-headers-6.1.0-9-amd64\nVersion: 6.1.9-2\nArchitecture: amd64\n"
    var forge = TarForge()
    forge.addFolder("./")
    forge.addFile("./control", text)
    return arArchive([
        ("debian-binary", Array("2.0\n".utf8)), ("control.tar", control ?? forge.finished()), ("data.tar", data),
    ])
}

func makeLink(_ path: String, to target: String) throws {
    try SystemCallError.check("symlink", path) { symlink(target, path) }
}
