internal import Glibc
internal import HeaderArchive
public import HeaderTransport
internal import KernelHeaders

/// What an agent is told: by an option, else by a variable of its environment, else by a line of its settings file, else
/// nothing.
///
/// The file has the variables' names: one list of names for all, and a shell or systemd (`EnvironmentFile=`) can read it
/// too. Lines are `NAME=value`, empty, or begin with `#`. That is all there is to it, so that no configuration library
/// has to be in every agent of a fleet (swift-configuration would bring NIO's file system and swift-collections).
///
/// ```
/// # /etc/kheader/agent.conf
/// KHEADER_URLS=https://headers.example.com
/// KHEADER_TOKEN_FILE=/etc/kheader/agent.token
/// KHEADER_AGENT_EVERY=6h
/// ```
public struct AgentSettings: Sendable {
    /// What can be set.
    public enum Name: String, CaseIterable, Sendable {
        case servers = "KHEADER_URLS"
        case timeout = "KHEADER_TIMEOUT"
        case token = "KHEADER_TOKEN"
        case tokenFile = "KHEADER_TOKEN_FILE"
        case root = "KHEADER_AGENT_ROOT"
        case every = "KHEADER_AGENT_EVERY"
        case totalTime = "KHEADER_AGENT_TOTAL_TIME"
        case spool = "KHEADER_AGENT_SPOOL"
        case salt = "KHEADER_AGENT_SALT"
        case loadModule = "KHEADER_AGENT_LOAD_MODULE"
        case log = "KHEADER_AGENT_LOG"
    }

    /// The file that counts if no other is named; it need not be there.
    public static let standardFile = "/etc/kheader/agent.conf"
    /// The variable that names another.
    public static let fileVariable = "KHEADER_AGENT_CONFIG"
    /// The longest file taken, in bytes.
    static let fileLimit = 1 << 16

    private let lookUp: @Sendable (Name) -> String?

    /// - Parameters:
    ///   - options: what the command line says.
    ///   - environment: of the process.
    ///   - file: the settings file's path, which must be there; nil for what ``fileVariable`` says, or ``standardFile``.
    /// - Throws: `Problem` with `parameter-malformed`.
    public init(
        options: [Name: String], environment: @escaping @Sendable (String) -> String?, file: String?
    ) throws {
        let named = file ?? environment(Self.fileVariable).flatMap { $0.isEmpty ? nil : $0 }
        let lines = try Self.read(named ?? Self.standardFile, mustExist: named != nil)
        lookUp = { name in
            options[name] ?? environment(name.rawValue).flatMap { $0.isEmpty ? nil : $0 } ?? lines[name]
        }
    }

    public subscript(name: Name) -> String? { lookUp(name) }

    /// Where this host's `/` is.
    public var root: String { self[.root] ?? "/" }

    /// Goes into the host's ID.
    public var salt: String { self[.salt] ?? "" }

    /// - Throws: `Problem` with `parameter-malformed`.
    public func servers(options: [String]) throws -> [ServerAddress] {
        try ServerAddress.list(options: options, variable: self[.servers])
    }

    /// - Throws: `Problem` with `parameter-malformed`.
    public func timeouts() throws -> TransferTimeouts { try TransferTimeouts(variable: self[.timeout]) }

    /// Those for a person who waits: shorter, unless there is a setting that says how long.
    ///
    /// - Throws: `Problem` with `parameter-malformed`.
    public func quickTimeouts() throws -> TransferTimeouts {
        var timeouts = try timeouts()
        if (self[.timeout] ?? "").isEmpty {
            timeouts.connect = 3
            timeouts.document = 10
        }
        return timeouts
    }

    /// How long a check-in may take.
    ///
    /// - Throws: `Problem` with `parameter-malformed`.
    public func totalTime() throws -> Duration { try span(.totalTime) ?? .seconds(600) }

    /// How often to check in; nil for once.
    ///
    /// - Throws: `Problem` with `parameter-malformed`.
    public func every() throws -> Duration? {
        guard let every = try span(.every) else { return nil }
        guard every >= CheckInSchedule.shortest else {
            throw Problem(
                .parameterMalformed,
                "\(Name.every.rawValue) (--every) is \(self[.every] ?? ""): once in \(CheckInSchedule.shortest.components.seconds) s is the most."
            )
        }
        return every
    }

    /// Whether the module `kheaders` may be loaded.
    ///
    /// - Throws: `Problem` with `parameter-malformed`.
    public func mayLoadModule() throws -> Bool {
        switch self[.loadModule] {
        case nil, "yes": true
        case "no": false
        case let text?:
            throw Problem(.parameterMalformed, "\(Name.loadModule.rawValue) is '\(text)': write yes or no.")
        }
    }

    /// - Throws: `Problem` with `parameter-malformed`.
    public func logLevel() throws -> AgentLog.Level {
        switch self[.log] {
        case "error": .error
        case "warning": .warning
        case nil, "info": .info
        case "debug": .debug
        case let text?:
            throw Problem(
                .parameterMalformed, "\(Name.log.rawValue) is '\(text)': write error, warning, info or debug.")
        }
    }

    private func span(_ name: Name) throws -> Duration? {
        guard let text = self[name] else { return nil }
        guard let span = TimeSpan.parse(text) else {
            throw Problem(
                .parameterMalformed, "\(name.rawValue) is '\(text)': write a time such as 90s, 10m, 6h or 1d.")
        }
        return span
    }

    private static func read(_ path: String, mustExist: Bool) throws -> [Name: String] {
        var bytes: [UInt8] = []
        do {
            try FileSource(path: path).drain { piece in
                guard bytes.count + piece.count <= fileLimit else {
                    throw Problem(.parameterMalformed, "\(path) has over \(fileLimit) bytes, and is no settings file.")
                }
                bytes.append(contentsOf: piece)
            }
        } catch let error as SystemCallError {
            if error.number == ENOENT, !mustExist { return [:] }
            throw Problem(.parameterMalformed, "The settings in \(path) can't be read (\(error.description)).")
        }
        var settings: [Name: String] = [:]
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = String(decoding: line, as: UTF8.self).trimmed
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            guard let equals = text.firstIndex(of: "="), let name = Name(rawValue: String(text[..<equals].trimmed))
            else {
                let names = Name.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem(
                    .parameterMalformed,
                    "Line \(index + 1) of \(path) is not NAME=value with one of these names: \(names).")
            }
            settings[name] = text[text.index(after: equals)...].unquoted
        }
        return settings
    }
}

extension StringProtocol {
    fileprivate var trimmed: Substring {
        var text = Substring(self).drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// Without the quotes that systemd's and a shell's files may have.
    fileprivate var unquoted: String {
        let text = trimmed
        guard text.count >= 2, let first = text.first, "'\"".contains(first), text.last == first else {
            return String(text)
        }
        return String(text.dropFirst().dropLast())
    }
}
