internal import ArgumentParser
internal import Glibc
internal import HeaderTransport
internal import HostAgent
internal import KernelHeaders

/// What every command of the agent takes. Each of these may also be a variable, or a line of the settings file.
struct AgentOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where this host's / is, for an agent in a container.", valueName: "dir"))
    var root: String?

    @Option(
        help: ArgumentHelp(
            "A file of settings, NAME=value. (default: \(AgentSettings.standardFile), if it is there)",
            valueName: "file"))
    var config: String?

    @Flag(help: "Do not load the module kheaders, even if its archive can be had in no other way.")
    var noModuleLoad = false

    @Flag(name: .shortAndLong, help: "Say everything that is looked at.")
    var verbose = false

    /// What the command line says.
    ///
    /// - Parameter options: further ones of the command's own.
    func named(_ options: [AgentSettings.Name: String?]) -> [AgentSettings.Name: String] {
        var all = options.compactMapValues { $0 }
        all[.root] = root
        if noModuleLoad { all[.loadModule] = "no" }
        if verbose { all[.log] = "debug" }
        return all
    }

    /// - Parameter options: further ones of the command's own.
    /// - Throws: `ValidationError` for what makes no sense.
    func settings(_ options: [AgentSettings.Name: String?] = [:]) throws -> AgentSettings {
        let all = named(options)
        return try usable {
            let settings = try AgentSettings(
                options: all, environment: { getenv($0).map { String(cString: $0) } }, file: config)
            _ = (try settings.mayLoadModule(), try settings.logLevel())
            return settings
        }
    }
}

/// What is set wrongly is a mistake of the user's, wherever it is set.
func usable<Value>(_ read: () throws -> Value) throws -> Value {
    do { return try read() } catch let problem as Problem { throw ValidationError("\(problem)") }
}
