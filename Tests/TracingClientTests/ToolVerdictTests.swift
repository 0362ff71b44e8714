import Glibc
import KHeaderTestSupport
import KernelHeaders
import PrecompiledHeaders
import Testing
import TracingClient

/// What tools would do, by the order in which they look.
@Suite struct ToolVerdictTests {
    @Test func nothingIsFoundOnAnEmptyHost() throws {
        try withToolHost { host in
            for tool in TracingTool.allCases { #expect(!host.verdict(tool).now.isFound) }
            #expect(host.verdict(.bcc).now.reason.hasSuffix("offers no headers of its own"))
        }
    }

    @Test func aPackagesHeadersAreFoundByBoth() throws {
        try withToolHost { host in
            try host.writeSplitModules()
            #expect(host.verdict(.bcc).now.isFound && host.verdict(.bpftrace).now.isFound)
            #expect(!host.verdict(.clang).now.isFound)
        }
    }

    /// What configuration management leaves: the folder is right, its contents are another kernel's.
    @Test func anotherKernelsHeadersAreNoGood() throws {
        try withToolHost { host in
            try host.writeTree("\(ToolHost.modules)/build", release: "5.10.0-1")
            for tool in [TracingTool.bcc, .bpftrace] {
                let now = host.verdict(tool).now
                #expect(!now.isFound && now.reason.hasSuffix("has headers of 5.10.0-1"))
            }
        }
    }

    /// bpftrace lets the source folder stand in for the build folder; bcc does not look at it then.
    @Test func aSourceFolderAloneServesBpftraceOnly() throws {
        try withToolHost { host in
            try host.writeTree("\(ToolHost.modules)/source")
            #expect(host.verdict(.bpftrace).now.isFound)
            #expect(!host.verdict(.bcc).now.isFound)
        }
    }

    @Test func onlyRootsBccUnpacksTheKernelsArchive() throws {
        try withToolHost { host in
            try host.folder.write([1], to: "sys/kernel/kheaders.tar.xz")
            #expect(host.verdict(.bcc).now.isFound)
            #expect(!host.verdict(.bcc, isRoot: false).now.isFound)
            #expect(!host.verdict(.bpftrace).now.isFound)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can make root's folder"))
    func bccTakesACopyOfRootsOnly() throws {
        try withToolHost { host in
            let copy = "tmp/kheaders-\(ToolHost.release)"
            try host.writeTree(copy)
            #expect(host.verdict(.bcc).now.isFound)
            chown(host.folder.path(copy), 65534, 65534)
            #expect(host.verdict(.bcc).now.reason.hasSuffix("not root's"))
        }
    }

    @Test func variablesComeFirst() throws {
        try withToolHost { host in
            try host.writeSplitModules()
            let bad = ["BCC_KERNEL_SOURCE": "/nonexistent", "BPFTRACE_KERNEL_SOURCE": "/nonexistent"]
            #expect(!host.verdict(.bcc, bad).now.isFound && !host.verdict(.bpftrace, bad).now.isFound)
            try host.writeTree("good")
            let path = host.folder.path("good")
            let good = ["BCC_KERNEL_SOURCE": path, "BPFTRACE_KERNEL_SOURCE": path]
            #expect(host.verdict(.bcc, good).now.reason == "headers in BCC_KERNEL_SOURCE=\(path)")
            #expect(host.verdict(.bpftrace, good).now.isFound)
        }
    }

    @Test func execServesAllOrNone() throws {
        try withToolHost { host in
            let id = try #require(BuildID("ab01"))
            for tool in TracingTool.allCases {
                let served = ToolVerdict(tool, host.survey(), of: id, source: "the cache")
                // What it says to run is about this kernel.
                #expect(tool != .clang || served.withExec.reason.contains("kheader flags --for clang --build-id ab01)"))
                #expect(served.withExec.isFound && served.withExec.reason.contains("the cache"))
                #expect(!served.now.isFound)
                #expect(!ToolVerdict(tool, host.survey(), source: nil).withExec.isFound)
            }
        }
    }
}
