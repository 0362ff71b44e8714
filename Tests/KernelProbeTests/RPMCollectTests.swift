internal import Glibc
internal import HeaderArchive
internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

/// A tree of a package that the real rpm has made and installed.
@Suite struct RPMCollectTests {
    private static let release = "6.5.6-300.fc39.x86_64"
    private static let version = "#1 SMP PREEMPT_DYNAMIC Fri Oct  6 19:57:21 UTC 2023"
    private static let tree = "usr/src/kernels/\(release)"

    private static let build = """
        set -eu
        root=$1 build=$2
        printf '%s\\n' 'Name: kernel-devel' 'Version: 6.5.6' 'Release: 300.fc39' 'Summary: s' 'License: GPLv2' \
            '%description' 'd' '%define _build_id_links none' '%install' \
            "mkdir -p %{buildroot}/usr/src; cp -a $root/usr/src/kernels %{buildroot}/usr/src/" \
            '%files' '/usr/src/kernels' >"$build/spec"
        rpmbuild -bb --quiet --target x86_64 --define "_topdir $build" --define '_binary_filedigest_algorithm 8' \
            --define '__os_install_post %{nil}' --define '__spec_install_pre %{nil}' "$build/spec"
        rpm --dbpath "$root/var/lib/rpm" --initdb
        rpm --dbpath "$root/var/lib/rpm" --install --justdb --nodeps --ignorearch "$build"/RPMS/x86_64/*.rpm
        """

    private static func withHost(_ body: (TemporaryFolder) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let root = try TemporaryFolder()
            let kernel = SmallKernel(release: release, hasLargeFile: false)
            try kernel.write(to: root.path(tree)) { $0 != SmallKernel.veryLongPath }
            try root.write("#define UTS_VERSION \"\(version)\"\n".utf8, to: "\(tree)/include/generated/utsversion.h")
            try root.makeFolder("lib/modules/\(release)")
            try root.makeFolder("var/lib/rpm")
            try makeLink(root.path("lib/modules/\(release)/build"), to: "/\(tree)")
            try ShellCommand("sh", "-c", build, "sh", root.path, folder.path).output()
            try body(root)
            withExtendedLifetime(root) {}
        }
    }

    private static func collect(_ root: TemporaryFolder) throws -> CollectStep {
        let kernel = KernelIdentity(
            buildID: try #require(BuildID("ab")), release: release, versionLine: "\(release) (x@y) (gcc) \(version)")
        return try HeaderCollector(kernel: kernel, root: root.path, module: .missing("None.")).collect().steps[3]
    }

    @Test func whatRPMHasRecordedCounts() throws {
        try Self.withHost { root in
            let whole = try Self.collect(root)
            #expect(whole.outcome == .usable, "\(whole.detail ?? "")")
            #expect(whole.detail == "Compared with the records of kernel-devel.")

            let file = "\(Self.tree)/include/linux/sched.h"
            let bytes = try root.read(file)
            try root.write(bytes + [10], to: file)
            let changed = try Self.collect(root)
            #expect(changed.outcome == .damaged)
            #expect(changed.detail?.contains("sched.h is not what its package installed") == true)

            unlink(root.path(file))
            let halfDeleted = try Self.collect(root)
            #expect(halfDeleted.outcome == .damaged)
            #expect(halfDeleted.detail?.contains("sched.h is missing") == true)

            // Empty ones that are empty in the package are no flaw.
            try root.write(bytes, to: file)
            try root.write([], to: "\(Self.tree)/include/linux/mm.h")
            let empty = try Self.collect(root)
            #expect(
                empty.detail?.hasSuffix("can't be trusted: \(root.path("\(Self.tree)/include/linux/mm.h")) is empty.")
                    == true)
        }
    }

    /// A package is printed as often as it is named.
    @Test func whatRPMPrintsIsTakenUpToALimit() throws {
        try Self.withHost { root in
            let format = String(repeating: "x", count: 100_000)
            func count(_ packages: Int) throws -> Int? {
                let names = Array(repeating: "kernel-devel", count: packages)
                return try RPMQuery.output(names, format: format, root: HostRoot(root.path)) {}?.count
            }
            let most = RPMQuery.limit / format.utf8.count
            let (whole, tooMuch) = (try count(most), try count(most + 1))
            #expect(whole == most * format.utf8.count)
            #expect(tooMuch == nil)
        }
    }
}
