import PrecompiledHeaders
import KHeaderTestSupport
import TracingClient

/// A host that is a folder, on which tools look for headers.
struct ToolHost {
    static let release = "6.1.0-99-amd64"
    static let modules = "lib/modules/\(release)"
    let folder: TemporaryFolder

    /// A complete tree, as the kernel's build leaves it.
    func writeTree(_ name: String, release: String = Self.release) throws {
        try SmallKernel(release: release, hasLargeFile: false).write(to: folder.path(name))
    }

    /// Headers as Debian lays them out: the two halves in two folders.
    func writeSplitModules() throws {
        try SmallKernel(release: Self.release, hasLargeFile: false).writeSplit(
            source: folder.path("\(Self.modules)/source"), build: folder.path("\(Self.modules)/build"))
    }

    func survey(_ environment: [String: String] = [:], isRoot: Bool = true) -> ToolSurvey {
        ToolSurvey(release: Self.release, root: folder.path, environment: environment, isRoot: isRoot)
    }

    func verdict(_ tool: TracingTool, _ environment: [String: String] = [:], isRoot: Bool = true) -> ToolVerdict {
        ToolVerdict(tool, survey(environment, isRoot: isRoot), source: nil)
    }
}

/// Runs a test's body with a host of its own.
func withToolHost(_ body: (ToolHost) throws -> Void) throws {
    try withTemporaryFolder { try body(ToolHost(folder: $0)) }
}
