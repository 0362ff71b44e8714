import Configuration
import FoundationEssentials
import Glibc
import HeaderArchive
public import HeaderStore
public import Logging
import PrecompiledHeaders
import SystemPackage

/// What an operator may set, from the command line, else the environment (`KHEADERD_LISTEN`), else a JSON file, else the
/// default.
///
/// The file's members, all of them optional (sizes in bytes, times in seconds):
///
/// ```
/// { "listen": "127.0.0.1:8003", "state": "/var/lib/kheaderd", "logLevel": "info", "logFormat": "text",
///   "accessLog": false, "anonymousReads": false, "drainSeconds": 0,
///   "traces": { "collector": "http://127.0.0.1:4318/v1/traces", "oneIn": 1 },
///   "bundleBytes": 4294967296, "claims": { "seconds": 120, "opinions": 2 },
///   "uploads": { "number": 256, "seconds": 300 },
///   "retention": { "on": false, "days": 90, "newest": 3, "bytes": 107374182400 },
///   "hosts": { "days": 90, "number": 2000000 },
///   "verify": { "on": true, "bytesPerSecond": 4194304, "days": 7 },
///   "repack": { "on": true, "seconds": 300 },
///   "limits": { "archiveBytes": 1073741824, "unpackedBytes": 1073741824, "fileBytes": 16777216, "entries": 100000,
///               "ratio": 100, "seconds": 300, "btfBytes": 67108864 },
///   "pch": { "on": true, "unsandboxed": false, "bytes": 4294967296, "queue": 64, "builders": 1,
///            "retrySeconds": 3600, "aheadDays": 14, "toolchains": ["/opt/llvm-20/bin/clang"],
///            "limits": { "seconds": 60, "processorSeconds": 30, "memoryBytes": 2147483648, "outputBytes": 67108864 },
///            "umbrellas": { "mine": ["linux/sched.h", "net/sock.h"] },
///            "profiles": { "mine": { "flags": ["-O2", "-nostdinc", "-Iinclude", "-D__KERNEL__"], "prologue": "" } } } }
/// ```
///
/// Without bubblewrap no PCHs are made; `unsandboxed` makes them all the same, and lets whoever uploads headers read what
/// the server can read. Umbrellas and profiles have names that the operator chooses, so that the environment has no word
/// for them. The flags of a profile are clang's, paths in them relative to a kernel's tree; `{arch}` stands for the folder
/// below `arch/`, and `{machine}` for what `uname -m` prints.
public struct ServerSettings: Sendable {
    public var listen = ListenAddress.standard
    /// The store's folder, absolute: sandboxes and compilers have working folders of their own.
    public var state: String
    public var logLevel = Logger.Level.info
    public var logFormat = LogFormat.text
    /// What is done with all requests.
    public var serving = ServingOptions()
    public var traces = TraceOptions()
    /// Whether everyone may read without a token.
    public var anonymousReads = false
    public var store = HeaderStore.Options()
    /// Of uploads in several requests.
    public var uploads = UploadLimits()
    /// Of precompiled headers.
    public var pch = PCHOptions()
    /// Variables that are named as settings are, and are none.
    public private(set) var unknownVariables: [String] = []
    /// Paths of clangs that are used beside those found.
    public private(set) var pchToolchains: [String] = []

    /// - Parameters:
    ///   - arguments: what the command line says; nil for what it leaves out.
    ///   - environment: names are upper case, words and levels parted by `_`, with `KHEADERD_` before them:
    ///     `KHEADERD_LOG_LEVEL`, `KHEADERD_LIMITS_FILE_BYTES`.
    ///   - file: the JSON file's path.
    /// - Throws: ``SettingsError`` for a value that is no such value, for a member of the file that is no setting, and for a file
    ///   that can't be read.
    public init(
        arguments: (listen: String?, state: String?, anonymousReads: Bool?), environment: [String: String],
        file: String?
    ) async throws {
        let prefix = "KHEADERD_"
        let own = environment.filter { $0.key.hasPrefix(prefix) }.map {
            (String($0.key.dropFirst(prefix.count)), $0.value)
        }
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: Dictionary(uniqueKeysWithValues: own))
        ]
        if let file { providers.append(try await Self.provider(file: file)) }
        let known = KnownSettings()
        let reader = ConfigReader(providers: providers, accessReporter: known)

        // An empty one would be the root folder.
        guard let state = try await arguments.state.orElse({ try await reader.fetchString(forKey: "state") }),
            !state.isEmpty
        else {
            throw SettingsError(
                description: "Say where the store is: --state DIR, KHEADERD_STATE, or \"state\" in the file.")
        }
        self.state = state.hasPrefix("/") ? state : "\(FileManager.default.currentDirectoryPath)/\(state)"
        if let text = try await arguments.listen.orElse({ try await reader.fetchString(forKey: "listen") }) {
            guard let address = ListenAddress(text) else {
                throw SettingsError(
                    description:
                        "\"\(text)\" is no address to listen on. Use HOST:PORT, [IPV6]:PORT or unix:PATH (up to \(ListenAddress.maximumPathLength) bytes)."
                )
            }
            listen = address
        }
        if let text = try await reader.fetchString(forKey: "logLevel") {
            guard let level = Logger.Level(rawValue: text) else {
                let all = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw SettingsError(description: "\"\(text)\" is no log level. Use one of \(all).")
            }
            logLevel = level
        }
        if let text = try await reader.fetchString(forKey: "logFormat") {
            guard let format = LogFormat(rawValue: text) else {
                throw SettingsError(description: "\"\(text)\" is no format of the log. Use text or json.")
            }
            logFormat = format
        }
        serving.accessLog = try await Self.flag(reader, "accessLog") ?? false
        try await Self.set(&serving.drainSeconds, reader, "drainSeconds", from: 0)
        try await setTraces(reader)
        anonymousReads =
            try await arguments.anonymousReads.orElse { try await Self.flag(reader, "anonymousReads") } ?? false
        try await Self.set(&store.bundleBytes, reader, "bundleBytes")
        try await Self.set(&store.claimSeconds, reader, "claims.seconds")
        try await Self.set(&store.opinions, reader, "claims.opinions")
        try await Self.set(&uploads.sessions, reader, "uploads.number")
        try await Self.set(&uploads.seconds, reader, "uploads.seconds")
        try await Self.set(&store.limits.archiveBytes, reader, "limits.archiveBytes")
        try await Self.set(&store.limits.unpackedBytes, reader, "limits.unpackedBytes")
        try await Self.set(&store.limits.fileBytes, reader, "limits.fileBytes")
        try await Self.set(&store.limits.entries, reader, "limits.entries")
        try await Self.set(&store.limits.ratio, reader, "limits.ratio")
        try await Self.set(&store.limits.seconds, reader, "limits.seconds")
        try await Self.set(&store.btfBytes, reader, "limits.btfBytes")
        store.retention.isOn = try await Self.flag(reader, "retention.on") ?? false
        try await Self.set(days: &store.retention.days, reader, "retention.days")
        try await Self.set(&store.retention.newest, reader, "retention.newest")
        var bytes = 0
        try await Self.set(&bytes, reader, "retention.bytes")
        if bytes > 0 { store.retention.bytes = bytes }
        try await Self.set(days: &store.hosts.days, reader, "hosts.days")
        try await Self.set(&store.hosts.number, reader, "hosts.number")
        try await setVerify(reader)
        store.repackSeconds = 300
        try await Self.set(&store.repackSeconds, reader, "repack.seconds")
        if try await Self.flag(reader, "repack.on") == false { store.repackSeconds = 0 }
        try await setPCH(reader, file)
        if let file { try known.check(json: Data(FileSource(path: file).readAll())) }
        unknownVariables = known.unknown(variables: own.map(\.0)).map { prefix + $0 }
    }

    /// - Throws: ``SettingsError``, which says in words of our own why the file is of no use: a library's are for programmers.
    private static func provider(file: String) async throws -> FileProvider<JSONSnapshot> {
        func refusal(_ reason: String) -> SettingsError {
            SettingsError(description: "The settings in \(file) can't be read: \(reason).")
        }
        let bytes: [UInt8]
        do {
            bytes = try FileSource(path: file).readAll()
        } catch let error as SystemCallError {
            throw refusal(String(cString: strerror(error.number)))
        }
        do {
            return try await FileProvider<JSONSnapshot>(filePath: FilePath(file))
        } catch {
            let message = "\(error)"
            // "Invalid value around character 12": of bytes, from 0 on.
            if let place = message.firstMatch(of: /character (\d+)/).flatMap({ Int($0.1) }), place <= bytes.count {
                let before = bytes[..<place]
                let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
                let column = place - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1)
                throw refusal("it is no JSON, see line \(line), column \(column)")
            }
            if message.contains("NSCocoaErrorDomain") {
                throw refusal("it is no JSON" + (message.contains("end of file") ? ", as it ends too early" : ""))
            }
            throw refusal(message.hasSuffix(".") ? String(message.dropLast()) : message)
        }
    }

    private mutating func setTraces(_ reader: ConfigReader) async throws {
        traces.collector = try await reader.fetchString(forKey: "traces.collector")
        if let text = traces.collector,
            URL(string: text).map({ $0.scheme != "http" && $0.scheme != "https" || $0.host() == nil }) ?? true
        {
            throw SettingsError(
                description: "\"\(text)\" is no URL of a collector. Use one as http://127.0.0.1:4318/v1/traces.")
        }
        try await Self.set(&traces.oneIn, reader, "traces.oneIn")
    }

    private mutating func setVerify(_ reader: ConfigReader) async throws {
        store.verifyBytesPerSecond = 4 << 20
        try await Self.set(&store.verifyBytesPerSecond, reader, "verify.bytesPerSecond")
        if try await Self.flag(reader, "verify.on") == false { store.verifyBytesPerSecond = 0 }
        var days = 7
        try await Self.set(days: &days, reader, "verify.days")
        store.verifySeconds = days * 86400
    }

    private mutating func setPCH(_ reader: ConfigReader, _ file: String?) async throws {
        pch.isOn = try await Self.flag(reader, "pch.on") ?? true
        pch.isUnsandboxed = try await Self.flag(reader, "pch.unsandboxed") ?? false
        try await Self.set(&store.pchBytes, reader, "pch.bytes")
        try await Self.set(&store.pchRetrySeconds, reader, "pch.retrySeconds")
        try await Self.set(&pch.queue, reader, "pch.queue")
        try await Self.set(&pch.builders, reader, "pch.builders")
        try await Self.set(days: &pch.aheadDays, reader, "pch.aheadDays")
        try await Self.set(&pch.limits.seconds, reader, "pch.limits.seconds")
        try await Self.set(&pch.limits.processorSeconds, reader, "pch.limits.processorSeconds")
        try await Self.set(&pch.limits.memoryBytes, reader, "pch.limits.memoryBytes")
        try await Self.set(&pch.limits.outputBytes, reader, "pch.limits.outputBytes")
        let toolchains: [String]
        do {
            toolchains = try await reader.fetchStringArray(forKey: "pch.toolchains") ?? []
        } catch {
            throw SettingsError(description: "pch.toolchains is a list of paths of clangs.")
        }
        if let path = toolchains.first(where: { !$0.hasPrefix("/") }) {
            throw SettingsError(description: "\"\(path)\" in pch.toolchains is no absolute path.")
        }
        pch.registry = ToolchainRegistry(programs: toolchains)
        pchToolchains = toolchains
        if let file { (pch.umbrellas, pch.profiles) = try OwnPCHSettings(file: file).checked() }
    }

    /// A hundred years.
    static let longestDays = 36525

    private static func flag(_ reader: ConfigReader, _ key: ConfigKey) async throws -> Bool? {
        do { return try await reader.fetchBool(forKey: key) } catch {
            throw SettingsError(description: "\(key), of the environment or the file, is neither true nor false.")
        }
    }

    private static func set(days: inout Int, _ reader: ConfigReader, _ key: ConfigKey) async throws {
        try await set(&days, reader, key)
        guard days <= longestDays else {
            throw SettingsError(description: "\(key) is \(days), and \(longestDays) days are the most.")
        }
    }

    private static func set(
        _ value: inout Int, _ reader: ConfigReader, _ key: ConfigKey, from least: Int = 1
    ) async throws {
        let set: Int
        do {
            guard let value = try await reader.fetchInt(forKey: key) else { return }
            set = value
        } catch {
            throw SettingsError(description: "\(key), of the environment or the file, is not a whole number.")
        }
        guard set >= least else {
            throw SettingsError(
                description: "\(key) is \(set), and has to be \(least == 0 ? "0 or more" : "positive").")
        }
        value = set
    }
}

/// How the log is written.
public enum LogFormat: String, Sendable {
    /// For people.
    case text
    /// An object a line.
    case json
}

/// A setting that is no such value: another start with it would end in the same way.
public struct SettingsError: Error, CustomStringConvertible {
    public let description: String
}

extension Optional where Wrapped: Sendable {
    fileprivate func orElse(_ other: () async throws -> Wrapped?) async throws -> Wrapped? {
        if let self { return self }
        return try await other()
    }
}
