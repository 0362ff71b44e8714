internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

@Suite struct KernelPackagesTests {
    private static let release = "6.1.0-9-amd64"

    /// Unpacks a kernel's headers and compares them with those of the kernel that went in.
    private static func checkHeaders(_ kernel: DistributionKernel, _ folder: TemporaryFolder) throws {
        let place = try folder.makeFolder("unpacked \(kernel.release)")
        try kernel.unpackHeaders(into: place)
        let pair = try HeaderFolder(source: "\(place)/source", build: "\(place)/build")
        let manifest = try pair.read(ManifestOnly())
        let expected = try SmallKernel(release: kernel.release, hasLargeFile: false).manifest
        #expect(manifest == expected)
        #expect(pair.sourceArchitecture == "x86")
    }

    @Test(arguments: ["xz", "zstd", "gzip"]) func findsAKernelInItsThreePackages(compression: String) throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder, compression: compression)
            let paths = try forge.kernel(Self.release)
            let packages = try KernelPackages(paths: paths)
            let kernel = try #require(packages.kernels.first)
            #expect(packages.kernels.count == 1)
            #expect(packages.ignored == [])
            #expect(kernel.release == Self.release)
            #expect(kernel.version == "6.1.9-2")
            #expect(kernel.headerPackages == [paths[1], paths[0]])
            let identity = KernelIdentity(
                buildID: try #require(BuildID(bytes: NoteRun.buildID)), release: Self.release,
                versionLine: "\(Self.release) (a@b) (gcc) #1 SMP", architecture: Architecture(machine: "x86_64"),
                hasBTF: true)
            #expect(kernel.identity == identity)
            try Self.checkHeaders(kernel, folder)
        }
    }

    @Test func kernelsShareHeadersAndTheOrderDoesNotMatter() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let cloud = "6.1.0-9-cloud-amd64"
            let paths =
                try forge.kernel(Self.release) + [
                    forge.image(cloud, buildID: [1, 2, 3, 4]),
                    forge.flavour(cloud, depends: "linux-headers-6.1.0-9-common (= 6.1.9-2)"),
                    forge.build("linux-kbuild-6.1"),
                ]
            for order in [paths, paths.reversed(), Array(paths[3...] + paths[..<3])] {
                let packages = try KernelPackages(paths: order)
                #expect(packages.kernels.map(\.release) == [Self.release, cloud])
                #expect(packages.kernels.map(\.identity.buildID.bytes) == [NoteRun.buildID, [1, 2, 3, 4]])
                #expect(packages.ignored.map(\.path) == [folder.path("linux-kbuild-6.1_6.1.9-2_amd64.deb")])
            }
            for kernel in try KernelPackages(paths: paths).kernels { try Self.checkHeaders(kernel, folder) }
        }
    }

    @Test(arguments: [
        ("6.8.0-40-generic", "linux-headers-6.8.0-40"), ("6.8.0-1010-aws", "linux-aws-headers-6.8.0-1010"),
    ])
    func ubuntusLayoutIsTaken(release: String, shared: String) throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let flavour = try forge.build(
                "linux-headers-\(release)", "6.8.0-40.40", depends: "\(shared), libc6 (>= 2.38)"
            ) { tree in
                let build = "\(tree)/usr/src/linux-headers-\(release)"
                let kernel = SmallKernel(release: release, hasLargeFile: false)
                try kernel.writeSplit(source: "\(tree).source", build: build)
                for name in ["linux", "net", "uapi"] {
                    try makeLink("\(build)/include/\(name)", to: "../../\(shared)/include/\(name)")
                }
            }
            let paths = [
                flavour, try forge.common(shared, version: "6.8.0-40.40"),
                try forge.image(release, name: "linux-image-unsigned-\(release)", version: "6.8.0-40.40"),
            ]
            let packages = try KernelPackages(paths: paths)
            #expect(packages.kernels.map(\.release) == [release])
            try Self.checkHeaders(try #require(packages.kernels.first), folder)
        }
    }

    /// As the kernel's own `make bindeb-pkg` builds it.
    @Test func oneHeaderPackageWillDo() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let headers = try forge.build("linux-headers-6.9.0-mine", "6.9.0-1") { tree in
                try SmallKernel(release: "6.9.0-mine", hasLargeFile: false)
                    .write(to: "\(tree)/usr/src/linux-headers-6.9.0-mine")
            }
            let packages = try KernelPackages(paths: [forge.image("6.9.0-mine", version: "6.9.0-1"), headers])
            let kernel = try #require(packages.kernels.first)
            #expect(kernel.headerPackages == [headers])
            try Self.checkHeaders(kernel, folder)
        }
    }

    @Test func signedAndUnsignedImagesAreOneKernel() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let unsigned = try forge.image(Self.release, name: "linux-image-\(Self.release)-unsigned")
            let paths = try forge.kernel(Self.release) + [unsigned]
            let packages = try KernelPackages(paths: paths)
            #expect(packages.kernels.count == 1)
            #expect(packages.ignored.map(\.path) == [unsigned])
            // In place of the one above.
            _ = try forge.image(Self.release, name: "linux-image-\(Self.release)-unsigned", buildID: [9, 9])
            #expect(refusal { _ = try KernelPackages(paths: paths) } == .packageMismatch)
        }
    }

    @Test(arguments: [
        (0, "linux-headers-6.1.0-9-amd64 (= 6.1.9-2)"), (1, "linux-headers-6.1.0-9-common (= 6.1.9-2)"),
        (2, "linux-image-6.1.0-9-amd64 (= 6.1.9-2)"),
    ])
    func aMissingPackageIsNamed(index: Int, name: String) throws {
        try withTemporaryFolder { folder in
            var paths = try DebianForge(folder: folder).kernel(Self.release)
            paths.remove(at: index)
            let error = try #require(throws: ProbeError.self) { try KernelPackages(paths: paths) }
            #expect(error.reason == .packageMissing)
            #expect(error.description.contains("give the package \(name) too"), "\(error)")
        }
    }

    @Test func headersOfAnotherBuildAreRefused() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let good = try forge.kernel(Self.release)
            let depends = "linux-headers-6.1.0-9-common (= 6.1.9-1)"
            let cases = [
                [try forge.flavour(Self.release, version: "6.1.9-1", depends: depends), good[1], good[2]],
                [good[0], try forge.common("linux-headers-6.1.0-9-common", version: "6.1.9-1"), good[2]],
                [good[0], good[1], try forge.image(Self.release, version: "6.1.9-3")],
                [good[0], good[1], try forge.image(Self.release, architecture: "i386")],
            ]
            for paths in cases {
                let error = try #require(throws: ProbeError.self) { try KernelPackages(paths: paths) }
                #expect(error.reason == .packageMismatch)
                #expect(error.description.contains("headers of another build"), "\(error)")
            }
        }
    }

    @Test func twoRevisionsOfOneReleaseAreToldApart() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let paths =
                try forge.kernel(Self.release) + forge.kernel(Self.release, version: "6.1.9-3", buildID: [5, 5])
            let kernels = try KernelPackages(paths: paths).kernels
            #expect(kernels.map(\.version) == ["6.1.9-2", "6.1.9-3"])
            #expect(kernels.map { $0.identity.buildID.bytes } == [NoteRun.buildID, [5, 5]])
            #expect(kernels.map { $0.headerPackages.count } == [2, 2])
        }
    }

    @Test func anImageOfAnotherReleaseThanItsNameIsRefused() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let paths = try forge.kernel(Self.release)
            // In place of the good one.
            _ = try forge.image(Self.release, inside: "6.1.0-8-amd64")
            #expect(refusal { _ = try KernelPackages(paths: paths) } == .packageMismatch)
        }
    }

    @Test func whatIsNoKernelIsIgnoredAndNothingLeftIsRefused() throws {
        try withTemporaryFolder { folder in
            let forge = DebianForge(folder: folder)
            let others = [
                try forge.build("linux-image-amd64", depends: "linux-image-\(Self.release)"),
                try forge.build("linux-image-6.1-amd64", depends: "linux-image-\(Self.release)"),
                try forge.build("linux-headers-6.1-amd64", depends: "linux-headers-\(Self.release)"),
                try forge.build("linux-image-\(Self.release)-dbg"), try forge.build("bash"),
                try forge.common("linux-headers-6.1.0-8-common"),
            ]
            let packages = try KernelPackages(paths: others + forge.kernel(Self.release))
            #expect(packages.kernels.count == 1)
            #expect(Set(packages.ignored.map(\.path)) == Set(others))
            #expect(refusal { _ = try KernelPackages(paths: others) } == .nothingToImport)
            #expect(refusal { _ = try KernelPackages(paths: []) } == .nothingToImport)
        }
    }

    @Test func imagesOverTheLimitsAreRefused() throws {
        try withTemporaryFolder { folder in
            let paths = try DebianForge(folder: folder).kernel(Self.release)
            var limits = PackageLimits()
            limits.imageBytes = 100
            #expect(refusal { _ = try KernelPackages(paths: paths, limits: limits) } == .tooLarge)
            limits = PackageLimits()
            limits.imageUnpackedBytes = 100
            let error = try #require(throws: ProbeError.self) { try KernelPackages(paths: paths, limits: limits) }
            #expect(error.reason == .tooLarge)
            #expect(error.description.contains("boot/vmlinuz-\(Self.release)"))
        }
    }

    @Test func progressIsReported() throws {
        try withTemporaryFolder { folder in
            let paths = try DebianForge(folder: folder).kernel(Self.release)
            var seen: Set<String> = []
            let packages = try KernelPackages(paths: paths) { seen.insert($0.path) }
            #expect(seen == [paths[2]])
            try packages.kernels.first?.unpackHeaders(into: try folder.makeFolder("out")) { seen.insert($0.path) }
            #expect(seen == Set(paths))
        }
    }
}
