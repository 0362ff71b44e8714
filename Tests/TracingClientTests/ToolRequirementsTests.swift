import KHeaderTestSupport
import Testing

@testable import TracingClient

@Suite struct ToolRequirementsTests {
    @Test(arguments: [["stap", "-e", "x"], ["/usr/bin/make"], ["dkms"], ["perf", "record", "-e", "./prog.c"]])
    func whatNeedsTheBuildFolderIsTold(_ command: [String]) throws {
        try withTemporaryFolder { folder in
            try SmallKernel(hasLargeFile: false).write(to: folder.path)
            let notice = try #require(ToolRequirements.notice(for: command, tree: ToolTree(source: folder.path)))
            for name in [".config", "Module.symvers", "Makefile", folder.path] { #expect(notice.contains(name)) }
        }
    }

    @Test(arguments: [["bpftrace", "-e", "x"], ["python3", "stap"], ["perf", "record", "-e", "cycles"], []])
    func othersAreNot(_ command: [String]) {
        #expect(ToolRequirements.notice(for: command, tree: ToolTree(source: "/nonexistent")) == nil)
    }

    @Test func aTreeThatNothingCompilesWithIsTold() throws {
        try withTemporaryFolder { folder in
            try SmallKernel(hasLargeFile: false).write(to: folder.path) { $0 != "include/linux/kconfig.h" }
            let notice = try #require(ToolRequirements.notice(for: ["bpftrace"], tree: ToolTree(source: folder.path)))
            #expect(notice.contains("include/linux/kconfig.h is missing") && !notice.contains("autoconf.h"))
        }
    }

    @Test func onlyWhatIsMissingIsNamed() throws {
        try withTemporaryFolder { folder in
            for name in ToolRequirements.buildFiles.dropFirst() { try folder.write("x".utf8, to: name) }
            let notice = try #require(ToolRequirements.notice(for: ["make"], tree: ToolTree(source: folder.path)))
            #expect(notice.contains(".config") && !notice.contains("Module.symvers"))
            try folder.write("x".utf8, to: ".config")
            #expect(ToolRequirements.notice(for: ["make"], tree: ToolTree(source: folder.path)) == nil)
        }
    }
}
