import Glibc
import KHeaderTestSupport
import Testing
import TracingClient

@Suite struct ToolTreeTests {
    @Test func aTreeIsCompleteAndSaysWhoseItIs() throws {
        try withToolHost { host in
            try host.writeTree("t")
            let tree = ToolTree(source: host.folder.path("t"))
            #expect(tree.state == .complete(release: ToolHost.release))
            #expect(tree.architecture == "x86")
        }
    }

    @Test func twoHalvesMakeATree() throws {
        try withToolHost { host in
            try host.writeSplitModules()
            let folder = host.folder.path(ToolHost.modules)
            let tree = ToolTree(source: "\(folder)/source", build: "\(folder)/build")
            #expect(tree.state == .complete(release: ToolHost.release))
            #expect(ToolTree(source: "\(folder)/build").state == .incomplete(["include/linux/kconfig.h"]))
        }
    }

    @Test func whatIsNotATreeIsTold() throws {
        try withToolHost { host in
            let folder = host.folder
            #expect(ToolTree(source: folder.path("none")).state == .missing)
            symlink("/nonexistent/headers", folder.path("link"))
            #expect(ToolTree(source: folder.path("link")).state == .dangling(target: "/nonexistent/headers"))
            try folder.write([], to: "file")
            #expect(ToolTree(source: folder.path("file")).state == .notAFolder)
            try folder.makeFolder("empty")
            let needed = ["include/linux/kconfig.h", "include/generated/autoconf.h"]
            #expect(ToolTree(source: folder.path("empty")).state == .incomplete(needed))
        }
    }

    /// A build that ran out of disk leaves such.
    @Test func anEmptyFileIsNone() throws {
        try withToolHost { host in
            try host.writeTree("t")
            try host.folder.write([], to: "t/include/generated/autoconf.h")
            #expect(ToolTree(source: host.folder.path("t")).state == .incomplete(["include/generated/autoconf.h"]))
        }
    }

    /// Root may read everything; `DoctorCommandTests` looks as another user.
    @Test(.enabled(if: geteuid() != 0, "root may read everything"))
    func aFolderForOthersIsUnreadable() throws {
        try withToolHost { host in
            try host.writeTree("t")
            chmod(host.folder.path("t"), 0)
            #expect(ToolTree(source: host.folder.path("t")).state == .unreadable)
        }
    }

    @Test func aTreeWithoutAReleaseIsComplete() throws {
        try withToolHost { host in
            try host.writeTree("t")
            unlink(host.folder.path("t/include/generated/utsrelease.h"))
            #expect(ToolTree(source: host.folder.path("t")).state == .complete(release: nil))
        }
    }
}
