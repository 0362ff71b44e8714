internal import ArgumentParser
internal import HostAgent
internal import KernelProbe

/// A command that looks at this host. It gives up what it does not need of its privileges before it looks.
protocol HostCommand: AsyncParsableCommand {
    var options: AgentOptions { get }
    var module: PreparedModule { get set }
    /// Whether it may have to load the kernel's module of headers.
    static var loadsModules: Bool { get }
    /// Whether it writes a file for the user who started it, which may be in a folder that is not root's.
    static var writesFiles: Bool { get }
}

extension HostCommand {
    static var loadsModules: Bool { false }
    static var writesFiles: Bool { false }

    /// To be called on the process's first thread, before there is another one: privileges are those of threads.
    ///
    /// - Throws: `ValidationError`; what `ProcessPrivileges` throws.
    mutating func prepare() throws {
        module = try PreparedModule(options.settings(), loads: Self.loadsModules, writes: Self.writesFiles)
    }
}

/// What was found out about the kernel's module of headers while the process had its privileges. No option: the parser
/// leaves it as it is.
struct PreparedModule: Decodable, Sendable {
    private(set) var access = HeaderModuleAccess.notPermitted("The agent was told not to load modules.")

    init() {}
    init(from decoder: any Decoder) {}

    /// Finds out, and gives up the privileges.
    ///
    /// - Parameters:
    ///   - loads: whether the module may be needed.
    ///   - writes: whether files are to be made in folders of others.
    init(_ settings: AgentSettings, loads: Bool, writes: Bool = false) throws {
        if loads, try settings.mayLoadModule() { access = ModuleKeeper.start(root: settings.root) }
        try ProcessPrivileges.drop(keeping: writes ? [.useFilesOfOthers] : [])
    }
}
