internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
internal import Synchronization
internal import Testing

/// A host with one of Debian's kernels and the real packages of its headers: their trees, and what dpkg records of them.
struct DebianHost {
    /// The folder of packages that `make test-deps` fills.
    static let packages = getenv("KHEADERD_PACKAGES").map { String(cString: $0) }

    let root: TemporaryFolder
    let release: String
    /// The kernel that its packages are of.
    let kernel: KernelIdentity
    /// The halves of the tree, below the root.
    let build: String
    let common: String

    /// As `dpkg --install` leaves them: files, links, lists, sums, status. Prints the releases.
    private static let install = """
        set -eu
        packages=$1 root=$2
        cd "$root"
        mkdir -p var/lib/dpkg/info
        for file in "$packages"/linux-headers-*.deb; do
            name=$(dpkg-deb --field "$file" Package)
            dpkg-deb --fsys-tarfile "$file" | tar -x --wildcards '*.h' '*/Makefile' './lib/*' 2>/dev/null || [ -d usr/src ]
            dpkg-deb --fsys-tarfile "$file" | tar -t | sed 's#^[.]##; s#/$##' >"var/lib/dpkg/info/$name.list"
            dpkg-deb --control "$file" control
            mv control/md5sums "var/lib/dpkg/info/$name.md5sums"
            { sed '1a Status: install ok installed' control/control; echo; } >>var/lib/dpkg/status
            rm -r control
        done
        ls lib/modules
        """

    /// A root with all header packages installed, unpacked once; hosts are copies of it by hard links. Never written to.
    private static let original = Mutex<Result<(root: TemporaryFolder, releases: [String]), any Error>?>(nil)

    /// - Parameter flavour: the release's end: `cloud-amd64`.
    init(_ packages: String, cloud: Bool = false) throws {
        let original = try Self.original.withLock { original in
            let made =
                original
                ?? Result {
                    let root = try TemporaryFolder()
                    let releases = String(
                        decoding: try ShellCommand("sh", "-c", Self.install, "sh", packages, root.path).output(),
                        as: UTF8.self)
                    return (root, releases.split(separator: "\n").map { String($0) })
                }
            original = made
            return try made.get()
        }
        let release = try #require(original.releases.first { $0.contains("-cloud-") == cloud })
        root = try TemporaryFolder()
        self.release = release
        try ShellCommand("cp", "-al", "\(original.root.path)/.", root.path).output()
        build = "usr/src/linux-headers-\(release)"
        let makefile = String(decoding: try root.read("\(build)/Makefile"), as: UTF8.self)
        common = String(makefile.dropFirst("include /".count).dropLast("/Makefile\n".count))
        let header = String(decoding: try root.read("\(build)/include/generated/utsversion.h"), as: UTF8.self)
        let version = header.split(separator: "\"", omittingEmptySubsequences: false)[1]
        kernel = KernelIdentity(
            buildID: try #require(BuildID(bytes: NoteRun.buildID)), release: release,
            versionLine: "\(release) (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14)) \(version)")
    }

    /// Puts other contents at a path. In place, they would be all hosts'.
    func replace(_ path: String, with bytes: some Sequence<UInt8>) throws {
        unlink(root.path(path))
        try root.write(bytes, to: path)
    }

    /// The files of one of its folders that match, relative to the root.
    func files(_ folder: String, _ pattern: String) throws -> [String] {
        let found = try ShellCommand("find", root.path(folder), "-type", "f", "-path", pattern).run().text
        return found.split(separator: "\n").map { String($0.dropFirst(root.path.utf8.count + 1)) }.sorted()
    }
}
