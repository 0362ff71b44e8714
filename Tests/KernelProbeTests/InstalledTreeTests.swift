internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
internal import KernelProbe
internal import Testing

@Suite struct InstalledTreeTests {
    private static let small = SmallKernel(hasLargeFile: false)
    private static let version = "#1 SMP Debian 6.1.192-2 (2026-11-16)"

    private static func kernel(version: String? = version) throws -> KernelIdentity {
        KernelIdentity(
            buildID: try #require(BuildID("ab")), release: small.release,
            versionLine: version.map { "\(small.release) (x@y) (gcc-12) \($0)" })
    }

    /// A root with a source and build pair, as Debian's packages make it.
    private static func withRoot(_ body: (TemporaryFolder, _ modules: String) throws -> Void) throws {
        try withTemporaryFolder { root in
            try small.writeSplit(source: root.path("usr/src/common"), build: root.path("usr/src/flavour"))
            try root.write(
                "#define UTS_VERSION \"\(version)\"\n".utf8, to: "usr/src/flavour/include/generated/utsversion.h")
            let modules = "lib/modules/\(small.release)"
            try root.makeFolder(modules)
            symlink("../../../usr/src/common", root.path("\(modules)/source"))
            symlink("../../../usr/src/flavour", root.path("\(modules)/build"))
            try body(root, root.path(modules))
        }
    }

    @Test func aPairIsMerged() throws {
        try Self.withRoot { root, modules in
            let tree = try InstalledTree(modulesFolderOf: Self.kernel(), root: root.path)
            #expect(tree.source == root.path("usr/src/common") && tree.build == root.path("usr/src/flavour"))
            let paths = try tree.headers().read(ManifestOnly()).entries.map(\.path.string)
            #expect(paths.contains("include/generated/utsversion.h") && paths.contains("include/linux/kconfig.h"))
        }
    }

    @Test(arguments: ["source", "build"]) func oneHalfStandsInForTheOther(_ name: String) throws {
        try withTemporaryFolder { root in
            let folder = root.path("lib/modules/\(Self.small.release)/\(name)")
            try Self.small.write(to: folder)
            let tree = try InstalledTree(modulesFolderOf: Self.kernel(version: nil), root: root.path)
            #expect(tree.source == folder && tree.build == folder)
            #expect(try tree.headers().read(ManifestOnly()).digest == Self.small.manifest.digest)
        }
    }

    @Test func nothingThereIsMissing() throws {
        try withTemporaryFolder { root in
            let path = root.path("lib/modules/\(Self.small.release)/build")
            #expect(throws: InstalledTree.Flaw.absent(path)) {
                try InstalledTree(modulesFolderOf: Self.kernel(), root: root.path)
            }
        }
    }

    @Test func aLinkToNowhereIsDangling() throws {
        try Self.withRoot { root, modules in
            try ShellCommand("rm", "-r", root.path("usr/src/flavour"), "\(modules)/source").output()
            #expect(throws: InstalledTree.Flaw.dangling("\(modules)/build", target: "../../../usr/src/flavour")) {
                try InstalledTree(modulesFolderOf: Self.kernel(), root: root.path)
            }
        }
    }

    @Test(arguments: ["common/include/linux/kconfig.h", "flavour/include/generated/autoconf.h"])
    func whatEveryKernelHasMustBeThere(_ file: String) throws {
        try Self.withRoot { root, _ in
            let path = root.path("usr/src/\(file)")
            truncate(path, 0)
            #expect(throws: InstalledTree.Flaw.empty(path)) {
                try InstalledTree(modulesFolderOf: Self.kernel(), root: root.path)
            }
            unlink(path)
            #expect(throws: InstalledTree.Flaw.missing(path)) {
                try InstalledTree(modulesFolderOf: Self.kernel(), root: root.path)
            }
        }
    }

    @Test func anotherReleaseIsAnotherKernel() throws {
        try Self.withRoot { root, _ in
            try root.write(
                "#define UTS_RELEASE \"6.1.0-98\"\n".utf8, to: "usr/src/flavour/include/generated/utsrelease.h")
            let path = root.path("usr/src/flavour/include/generated/utsrelease.h")
            let flaw = InstalledTree.Flaw.anotherKernel(
                path, says: "6.1.0-98",
                wanted: Self.small.release)
            #expect(throws: flaw) { try InstalledTree(modulesFolderOf: Self.kernel(), root: root.path) }
        }
    }

    /// The same version string, another build.
    @Test func anotherVersionIsAnotherKernel() throws {
        try Self.withRoot { root, _ in
            #expect {
                try InstalledTree(
                    modulesFolderOf: Self.kernel(version: "#2 SMP Debian 6.1.192-2 (2026-11-17)"), root: root.path)
            } throws: {
                "\($0)".contains("utsversion.h is of \(Self.version), and ")
            }
        }
    }

    /// Before 6.1 the version was in compile.h.
    @Test func olderKernelsSayItInCompileH() throws {
        try withTemporaryFolder { root in
            let folder = "lib/modules/\(Self.small.release)/build"
            try Self.small.write(to: root.path(folder)) { $0 != "include/generated/utsversion.h" }
            try root.write(
                "#define UTS_MACHINE \"x\"\n#define UTS_VERSION \"#9\"\n".utf8,
                to: "\(folder)/include/generated/compile.h")
            _ = try InstalledTree(modulesFolderOf: Self.kernel(version: "#9"), root: root.path)
            #expect(throws: InstalledTree.Flaw.self) {
                try InstalledTree(modulesFolderOf: Self.kernel(version: "#8"), root: root.path)
            }
        }
    }
}
