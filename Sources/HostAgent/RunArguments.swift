/// What `kheader-agent run` is told on its command line.
public struct RunArguments: Sendable, Equatable {
    public var servers: [String] = []
    public var settings: [AgentSettings.Name: String] = [:]
    /// The settings file; nil for the standard one.
    public var config: String?
    public var isOnlyIfUnreported = false
    public var printsJSON = false

    public init() {}

    /// The arguments in their plain forms, `--name value` and `--flag`, as a service or a timer has them.
    ///
    /// ArgumentParser, which has all forms, help and messages, takes longer to read these few words than everything else
    /// that a check-in does before it asks the server; it is left alone where they are plain.
    ///
    /// - Parameter words: without the program's name.
    /// - Returns: nil for anything else, mistakes included.
    public init?(plain words: ArraySlice<String>) {
        var rest = words
        if rest.first == "run" { rest = rest.dropFirst() }
        while let word = rest.popFirst() {
            switch word {
            case "--unreported": isOnlyIfUnreported = true
            case "--json": printsJSON = true
            case "--no-module-load": settings[.loadModule] = "no"
            case "--verbose", "-v": settings[.log] = "debug"
            default:
                guard let value = rest.popFirst(), !value.isEmpty, !value.hasPrefix("-") else { return nil }
                switch word {
                case "--server": servers.append(value)
                case "--config": config = value
                case "--every": settings[.every] = value
                case "--root": settings[.root] = value
                case "--spool": settings[.spool] = value
                case "--token-file": settings[.tokenFile] = value
                case "--total-time": settings[.totalTime] = value
                default: return nil
                }
            }
        }
    }
}
