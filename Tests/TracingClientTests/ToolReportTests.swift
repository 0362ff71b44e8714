import KHeaderTestSupport
import KernelHeaders
import PrecompiledHeaders
import Testing

@testable import HeaderTransport
@testable import TracingClient

@Suite struct ToolReportTests {
    private static func report(
        _ host: ToolHost, isRunning: Bool = true, cached: Bool = false, serves: [Bool] = [false], problem: String? = nil
    ) throws -> ToolReport {
        let id = try #require(BuildID("0abc"))
        return ToolReport(
            kernel: problem == nil ? KernelIdentity(buildID: id, release: ToolHost.release) : nil,
            isRunning: isRunning, problem: problem, survey: host.survey(["BCC_KERNEL_SOURCE": "/nonexistent/folder"]),
            tools: [ToolInstallation(tool: .bpftrace, path: "/usr/bin/bpftrace", version: "0.17.0")],
            cache: .init("/run/kheader", hasHeaders: cached, "state of the cache"),
            servers: serves.enumerated().map { .init("http://server\($0)", hasHeaders: $1, "state of \($0)") })
    }

    /// The order in which `kheader exec` looks.
    @Test func theSourceIsTheFirstThatHasTheHeaders() throws {
        try withToolHost { host in
            #expect(try Self.report(host).source == nil)
            #expect(try Self.report(host, cached: true, serves: [true]).source == "the cache")
            #expect(try Self.report(host, serves: [false, true]).source == "http://server1")
            try host.writeTree("\(ToolHost.modules)/build")
            #expect(try Self.report(host).source == host.folder.path("\(ToolHost.modules)/build"))
            #expect(try Self.report(host, isRunning: false).source == nil)
            try host.folder.write([1], to: "sys/kernel/kheaders.tar.xz")
            #expect(try Self.report(host).source == "the kernel's own archive")
        }
    }

    @Test func anotherReleasesFolderIsNoSource() throws {
        try withToolHost { host in
            try host.writeTree("\(ToolHost.modules)/build", release: "5.10.0-1")
            #expect(try Self.report(host).source == nil)
        }
    }

    @Test(arguments: [80, 120]) func itIsOneScreen(_ width: Int) throws {
        try withToolHost { host in
            let text = try Self.report(host, serves: [true, false]).text(width: width)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count <= 24 + 8)
            // Only a path that can't be broken is longer.
            #expect(lines.allSatisfy { $0.count <= width || !$0.dropFirst(15).contains(" ") })
            for label in ["Kernel", "BTF", "Own archive", "Modules", "bcc's copy", "Environment", "Tools", "Servers"] {
                #expect(lines.contains { $0.hasPrefix(label) })
            }
            #expect(text.contains("bcc: not found") && text.contains("bpftrace 0.17.0, /usr/bin/bpftrace"))
        }
    }

    @Test func anUnknownKernelIsExplained() throws {
        try withToolHost { host in
            let report = try Self.report(host, problem: "No notes. Mount sysfs.")
            #expect(report.text(width: 80).contains("No notes. Mount sysfs."))
            #expect(report.source == nil)
        }
    }

    @Test func linesBreakAtWords() {
        var page = LabelledLines(width: 40, label: 10)
        page.add("Label", ["one two three four five six seven eight", "\u{1B}[31mred"])
        #expect(
            page.text == """
                Label     one two three four five six
                            seven eight
                          ?[31mred
                """)
        var narrow = LabelledLines(width: 1, label: 4)
        narrow.add("L", ["/a/path/that/is/much/longer/than/any/line/could/be here"])
        #expect(narrow.text == "L   /a/path/that/is/much/longer/than/any/line/could/be\n      here")
    }
}
