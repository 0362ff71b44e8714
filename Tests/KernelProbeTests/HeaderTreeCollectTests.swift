internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

/// Trees on disk, on hosts with real packages: each way in which they can be wrong, with its outcome.
@Suite(.enabled(if: DebianHost.packages != nil, "KHEADERD_PACKAGES names no folder of Debian's kernel packages"))
struct HeaderTreeCollectTests {
    private static func host(cloud: Bool = false) throws -> DebianHost {
        try DebianHost(try #require(DebianHost.packages), cloud: cloud)
    }

    private static func collector(_ host: DebianHost, kernel: KernelIdentity? = nil) -> HeaderCollector {
        HeaderCollector(
            kernel: kernel ?? host.kernel, root: host.root.path, module: .notPermitted("This is a test."))
    }

    /// The outcome of a folder, looked at closely, and what was said of it.
    private static func collect(
        _ host: DebianHost, kernel: KernelIdentity? = nil, _ origin: HeaderOrigin = .modulesFolder
    ) throws -> CollectStep {
        let collection = try collector(host, kernel: kernel).collect()
        #expect(collection.steps.map(\.origin) == HeaderOrigin.allCases)
        #expect(collection.headers?.origin == collection.steps.first { $0.outcome == .usable }?.origin)
        return try #require(collection.steps.first { $0.origin == origin })
    }

    @Test(arguments: [false, true]) func aWholeTreeIsUsable(cloud: Bool) throws {
        let host = try Self.host(cloud: cloud)
        let survey = try Self.collector(host).survey()
        #expect(survey.steps.map(\.outcome) == [.missing, .notPermitted, .missing, .deferred, .deferred])
        #expect(survey.offer == ArtefactOffer(.headers, origin: .modulesFolder))

        let collection = try Self.collector(host).collect()
        #expect(collection.steps.map(\.outcome) == [.missing, .notPermitted, .missing, .usable, .notNeeded])
        let headers = try #require(collection.headers)
        #expect(headers.name == host.root.path("lib/modules/\(host.release)/build"))
        let shared = try #require(host.common.split(separator: "/").last)
        #expect(headers.detail == "Compared with the records of linux-headers-\(host.release), \(shared).")
        guard case .folder(let folder) = headers.contents else {
            Issue.record("no folder")
            return
        }
        let tree = try HeaderFolder(source: host.root.path(host.common), build: host.root.path(host.build))
            .read(ManifestOnly())
        #expect(try folder.read(ManifestOnly()) == tree)
        #expect(tree.fileCount > 5_000)
    }

    /// The modules' package is gone, its headers are not; Debian's own link to the shared half is gone with it.
    @Test func theSourceFolderServesAlone() throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path("lib")).output()
        let collection = try Self.collector(host).collect()
        #expect(collection.steps.map(\.outcome) == [.missing, .notPermitted, .missing, .missing, .usable])
        guard case .folder(let folder)? = collection.headers?.contents else {
            Issue.record("no folder")
            return
        }
        #expect(try folder.read(ManifestOnly()).fileCount > 5_000)
    }

    @Test func aHalfDeletedTreeIsRefusedWithAList() throws {
        let host = try Self.host()
        let files = try host.files(host.common, "*/include/linux/s*.h")
        for file in files { unlink(host.root.path(file)) }
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        let detail = try #require(step.detail)
        #expect(detail.contains("\(host.root.path(files[0])) is missing"))
        #expect(detail.hasSuffix("; and \(files.count - TreeAudit.limit) more."))
        #expect(detail.utf8.count <= CollectStep.maximumDetailLength)
        // The next source is tried; here it is the same folder.
        #expect(try Self.collect(host, .sourceFolder).outcome == .damaged)
    }

    @Test func withoutTheSharedHalfItIsDamaged() throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path(host.common)).output()
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(step.detail?.contains("include/linux/kconfig.h is not there") == true)
    }

    @Test func anotherKernelsTreeIsRefused() throws {
        let host = try Self.host()
        let cloud = try Self.host(cloud: true)
        try ShellCommand("rm", "-r", host.root.path(host.build)).output()
        try ShellCommand("cp", "-r", cloud.root.path(cloud.build), host.root.path(host.build)).output()
        let step = try Self.collect(host)
        #expect(step.outcome == .anotherKernel)
        #expect(step.detail?.contains("is of \(cloud.release), and \(host.release) runs here") == true)
    }

    /// Rebuilt under the same name: only the version line, with the time of the build, tells.
    @Test func anotherBuildsTreeIsRefused() throws {
        let host = try Self.host()
        var kernel = host.kernel
        kernel.versionLine = kernel.versionLine?.replacing("#1 ", with: "#2 ")
        let step = try Self.collect(host, kernel: kernel)
        #expect(step.outcome == .anotherKernel)
        #expect(step.detail?.contains("utsversion.h is of #1 SMP") == true)
    }

    @Test func anotherVersionsTreeIsRefused() throws {
        let host = try Self.host()
        try host.replace("\(host.build)/\(GeneratedHeader.code)", with: "#define LINUX_VERSION_CODE 393472\n".utf8)
        try host.replace("\(host.build)/include/generated/utsrelease.h", with: "#define UTS_RELEASE \"6.0.1\"\n".utf8)
        var kernel = host.kernel
        kernel.release = "6.0.1"
        try ShellCommand("mv", host.root.path("lib/modules/\(host.release)"), host.root.path("lib/modules/6.0.1"))
            .output()
        let step = try Self.collect(host, kernel: kernel)
        #expect(step.outcome == .anotherKernel)
        #expect(step.detail?.contains("version.h is of 6.1.0, and 6.0.1 runs here") == true)
    }

    @Test func aTreeWithoutAVersionLineIsUnproven() throws {
        let host = try Self.host()
        unlink(host.root.path("\(host.build)/include/generated/utsversion.h"))
        #expect(try Self.collect(host).outcome == .unproven)
        #expect(try Self.collector(host).survey().offer == nil)
        let whole = try Self.host()
        var kernel = whole.kernel
        kernel.versionLine = nil
        #expect(try Self.collect(whole, kernel: kernel).outcome == .unproven)
    }

    @Test func aLinkToNowhereIsMissing() throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path(host.build)).output()
        let step = try Self.collect(host)
        #expect(step.outcome == .missing)
        let link = host.root.path("lib/modules/\(host.release)/build")
        #expect(step.detail == "\(link) leads to /\(host.build), which is not there")
        #expect(try Self.collect(host, .sourceFolder).outcome == .missing)
    }

    /// As the kernel keeps others out: this user is not their owner, and may not override that.
    @Test func anUnreadableTreeIsUnreadable() throws {
        let host = try Self.host()
        let file = "\(host.build)/include/generated/utsrelease.h"
        try host.replace(file, with: try host.root.read(file))
        chmod(host.root.path(file), 0)
        let step = try withoutCapabilities { try Self.collect(host) }
        #expect(step.outcome == .unreadable)
        #expect(step.detail?.contains("utsrelease.h can't be read") == true)
        #expect(step.detail?.contains("Permission denied") == true)
    }

    /// The same of a file that only the close look reads.
    @Test func anUnreadableHeaderIsUnreadable() throws {
        let host = try Self.host()
        let file = "\(host.common)/include/linux/sched.h"
        try host.replace(file, with: try host.root.read(file))
        chmod(host.root.path(file), 0)
        #expect(try withoutCapabilities { try Self.collect(host) }.outcome == .unreadable)
    }

    @Test func anEmptyFileIsDamage() throws {
        let host = try Self.host()
        try host.replace("\(host.common)/include/linux/sched.h", with: [])
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        let path = host.root.path("\(host.common)/include/linux/sched.h")
        #expect(step.detail?.hasSuffix("can't be trusted: \(path) is empty.") == true)
    }

    @Test func anEmptyFileIsRightIfItsPackageSaysSo() throws {
        let host = try Self.host()
        let file = "\(host.common)/include/linux/sched.h"
        try host.replace(file, with: [])
        let package = try #require(host.common.split(separator: "/").last)
        let sums = "var/lib/dpkg/info/\(package).md5sums"
        let text = String(decoding: try host.root.read(sums), as: UTF8.self)
        let lines = text.split(separator: "\n").map {
            $0.hasSuffix("  \(file)") ? "d41d8cd98f00b204e9800998ecf8427e  \(file)" : String($0)
        }
        try host.replace(sums, with: lines.joined(separator: "\n").utf8)
        #expect(try Self.collect(host).outcome == .usable)
    }

    @Test func aChangedFileIsDamage() throws {
        let host = try Self.host()
        let file = "\(host.common)/include/linux/sched.h"
        try host.replace(file, with: try host.root.read(file) + [10])
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(step.detail?.contains("sched.h is not what its package installed") == true)
    }

    /// Packages made by the kernel's own `make deb-pkg` have no sums.
    @Test func aFileNewerThanItsPackageIsDamage() throws {
        let host = try Self.host()
        let package = try #require(host.common.split(separator: "/").last)
        unlink(host.root.path("var/lib/dpkg/info/\(package).md5sums"))
        #expect(try Self.collect(host).outcome == .usable)
        let file = "\(host.common)/include/linux/sched.h"
        try host.replace(file, with: try host.root.read(file))
        try ShellCommand("touch", "-d", "2100-01-01", host.root.path(file)).output()
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(step.detail?.contains("sched.h is newer than its package") == true)
    }

    @Test func aFileOfNoPackageIsDamage() throws {
        let host = try Self.host()
        try host.root.write("#define stale 1\n".utf8, to: "\(host.common)/include/linux/stale.h")
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(step.detail?.contains("stale.h is not of its package") == true)
    }

    @Test func aDanglingLinkInTheTreeIsDamage() throws {
        let host = try Self.host()
        let link = "\(host.common)/include/dt-bindings/input/linux-event-codes.h"
        unlink(host.root.path(link))
        symlink("../../uapi/linux/gone.h", host.root.path(link))
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(
            step.detail?.contains("linux-event-codes.h leads to ../../uapi/linux/gone.h, which is not there") == true)
    }

    @Test(arguments: ["install ok half-installed", "deinstall ok config-files"])
    func aPackageThatIsNotInstalledIsDamage(state: String) throws {
        let host = try Self.host()
        let status = String(decoding: try host.root.read("var/lib/dpkg/status"), as: UTF8.self)
        try host.replace("var/lib/dpkg/status", with: status.replacing("install ok installed", with: state).utf8)
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(step.detail?.contains("dpkg has linux-headers-\(host.release) as \"\(state)\"") == true)
    }

    @Test(arguments: ["info/linux-headers-RELEASE.list", "info/linux-headers-RELEASE.md5sums", "status"])
    func whatDpkgHasRecordedIsReadUpToALimit(file: String) throws {
        let host = try Self.host()
        let path = "var/lib/dpkg/" + file.replacing("RELEASE", with: host.release)
        try host.replace(path, with: host.root.read(path))
        truncate(host.root.path(path), off_t(PackageRecord.fileLimit))
        #expect(try Self.collect(host).outcome == .usable)
        truncate(host.root.path(path), off_t(PackageRecord.fileLimit + 1))
        let step = try Self.collect(host)
        #expect(step.outcome == .malformed)
        #expect(step.detail?.contains("\(host.root.path(path)) has over \(PackageRecord.fileLimit) bytes.") == true)
    }

    /// A tree that was copied there by hand: no package knows it.
    @Test func withoutAPackageOnlyWhatShowsItselfIsDamage() throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path("var")).output()
        #expect(try Self.collect(host).outcome == .usable)
        try host.replace("\(host.common)/include/linux/sched.h", with: [])
        #expect(try Self.collect(host).outcome == .damaged)
    }

    /// The same, in each part that no kernel's headers are without; `ARCH` is the folder of the architecture.
    @Test(arguments: [
        ("common", "include/linux/types.h"), ("common", "include/linux/kconfig.h"),
        ("common", "include/uapi/linux/types.h"), ("common", "include/asm-generic"), ("common", "include/uapi"),
        ("common", "arch/ARCH/include/asm"), ("common", "arch/ARCH/include"),
        ("build", "arch/ARCH/include/generated"), ("build", "include/generated/autoconf.h"),
    ]) func withoutAPackageAPartOfATreeIsDamage(half: String, part: String) throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path("var")).output()
        let folder = half == "build" ? host.build : host.common
        let generated = try #require(try host.files(host.build, "*/arch/*/include/generated/*").first)
        let architecture = try #require(generated.dropFirst("\(host.build)/arch/".count).split(separator: "/").first)
        let path = host.root.path("\(folder)/\(part.replacing("ARCH", with: architecture))")
        try ShellCommand("rm", "-r", path).output()
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        // Which architecture's is missing can't be told then.
        let named = half == "build" ? path.replacing("/arch/\(architecture)/", with: "/arch/*/") : path
        #expect(step.detail?.contains(named) == true, "\(step.detail ?? "")")
        #expect(try Self.collect(host, .sourceFolder).outcome == .damaged)
    }

    @Test func withoutAPackageADanglingLinkIsDamage() throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path("var")).output()
        symlink("gone.h", host.root.path("\(host.common)/include/linux/link.h"))
        let step = try Self.collect(host)
        #expect(step.outcome == .damaged)
        #expect(step.detail?.contains("include/linux/link.h leads to gone.h, which is not there") == true)
    }

    /// A kernel that was built here says by empty files which options are set.
    @Test func withoutAPackageAnOptionsMarkIsEmpty() throws {
        let host = try Self.host()
        try ShellCommand("rm", "-r", host.root.path("var")).output()
        try host.root.write([], to: "\(host.build)/include/config/SMP")
        #expect(try Self.collect(host).outcome == .usable)
    }

    @Test func cancellingStopsIt() throws {
        let host = try Self.host()
        struct Stop: Error {}
        var count = 0
        #expect(throws: Stop.self) {
            try Self.collector(host).collect {
                count += 1
                if count > 1_000 { throw Stop() }
            }
        }
    }
}
