import Glibc
import HeaderArchive
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import Logging
import PrecompiledHeaders
import Testing

@Suite struct ServerSettingsTests {
    private static func settings(
        listen: String? = nil, state: String? = "/state", anonymousReads: Bool? = nil,
        _ environment: [String: String] = [:], file: String? = nil
    ) async throws -> ServerSettings {
        try await ServerSettings(arguments: (listen, state, anonymousReads), environment: environment, file: file)
    }

    @Test func whatNobodySets() async throws {
        let settings = try await Self.settings()
        #expect(settings.state == "/state")
        #expect(settings.listen == .standard)
        #expect(settings.logLevel == .info)
        #expect(!settings.anonymousReads)
        #expect(settings.logFormat == .text && !settings.serving.accessLog && settings.serving.drainSeconds == 0)
        #expect(settings.store.limits == .standard)
        #expect(settings.store.bundleBytes == HeaderStore.Options().bundleBytes)
        #expect(settings.store.btfBytes == 64 << 20)
        #expect((settings.uploads.sessions, settings.uploads.seconds) == (256, 300))
        #expect((settings.store.claimSeconds, settings.store.opinions) == (120, 2))
        #expect((settings.store.verifyBytesPerSecond, settings.store.verifySeconds) == (4 << 20, 7 * 86400))
        #expect(settings.store.repackSeconds == 300)
        #expect((settings.store.pchBytes, settings.store.pchRetrySeconds) == (4 << 30, 3600))
        #expect(settings.pch.isOn && !settings.pch.isUnsandboxed)
        #expect((settings.pch.queue, settings.pch.builders, settings.pch.aheadDays) == (64, 1, 14))
        #expect(settings.pch.limits == Sandbox.Limits())
        #expect(settings.store.retention == RetentionRules() && !settings.store.retention.isOn)
        #expect(settings.store.retention.days == 90 && settings.store.retention.bytes == nil)
        #expect((settings.store.hosts.days, settings.store.hosts.number) == (90, 2_000_000))
        #expect(settings.pchToolchains.isEmpty && settings.pch.umbrellas.isEmpty && settings.pch.profiles.isEmpty)
    }

    /// What the README shows is taken as it stands, and is what counts without it.
    @Test func theDefaultsThatTheREADMEShows() async throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = String(decoding: try FileSource(path: "/\(root)/README.md").readAll(), as: UTF8.self)
        let block = try #require(
            text.split(separator: "## Settings").last?.firstMatch(of: /```json\n(?<json>\{[^`]*\})\n```/))
        try await withTemporaryFolder { folder in
            let file = try folder.write(block.json.utf8, to: "kheaderd.json")
            let shown = try await Self.settings(state: nil, file: file)
            #expect(shown.state == "/var/lib/kheaderd")
            let defaults = try await Self.settings(state: shown.state)
            #expect(Self.values(shown) == Self.values(defaults))
        }
    }

    /// All that can be compared, as text: a setting that is added later is in it.
    private static func values(_ settings: ServerSettings) -> String {
        var settings = settings
        // It has the machine's clangs in it, and no text of its own.
        settings.pch.registry = ToolchainRegistry()
        var text = ""
        dump(settings, to: &text)
        return text.replacing(/#\d+/, with: "").replacing(/0x[0-9a-f]+/, with: "")
    }

    @Test func noDrainIsASettingLikeAnother() async throws {
        let settings = try await Self.settings(["KHEADERD_DRAIN_SECONDS": "0"])
        #expect(settings.serving.drainSeconds == 0)
        await #expect { try await Self.settings(["KHEADERD_DRAIN_SECONDS": "-1"]) } throws: {
            "\($0)".contains("drainSeconds is -1, and has to be 0 or more")
        }
    }

    @Test func retention() async throws {
        try await withTemporaryFolder { folder in
            let text = #"{ "retention": { "on": true, "days": 36525, "newest": 2, "bytes": 3 } }"#
            let file = try folder.write(text.utf8, to: "kheaderd.json")
            var expected = RetentionRules()
            (expected.isOn, expected.days, expected.newest, expected.bytes) = (true, 36525, 2, 3)
            #expect(try await Self.settings(file: file).store.retention == expected)
            let variables = ["KHEADERD_RETENTION_ON": "false", "KHEADERD_RETENTION_DAYS": "7"]
            (expected.isOn, expected.days) = (false, 7)
            #expect(try await Self.settings(variables, file: file).store.retention == expected)
            for (name, value) in [
                ("ON", "perhaps"), ("DAYS", "0"), ("DAYS", "36526"), ("NEWEST", "x"), ("BYTES", "-1"),
            ] {
                await #expect(throws: SettingsError.self) {
                    try await Self.settings(["KHEADERD_RETENTION_\(name)": value])
                }
            }
        }
    }

    @Test func hosts() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(#"{ "hosts": { "days": 36525, "number": 1 } }"#.utf8, to: "kheaderd.json")
            let hosts = try await Self.settings(["KHEADERD_HOSTS_NUMBER": "5"], file: file).store.hosts
            #expect((hosts.days, hosts.number) == (36525, 5))
            for (name, value) in [("DAYS", "36526"), ("DAYS", "0"), ("NUMBER", "0"), ("NUMBER", "many")] {
                await #expect(throws: SettingsError.self) {
                    try await Self.settings(["KHEADERD_HOSTS_\(name)": value])
                }
            }
        }
    }

    private static let pch = """
        { "pch": { "on": false, "unsandboxed": true, "bytes": 1, "queue": 2, "builders": 3, "retrySeconds": 4,
            "aheadDays": 5, "toolchains": ["/opt/a/clang", "/opt/b/clang"],
            "limits": { "seconds": 6, "processorSeconds": 7, "memoryBytes": 8, "outputBytes": 9 },
            "umbrellas": { "mine": ["linux/sched.h"], "b-2": ["net/sock.h", "bcc/proto.h"] },
            "profiles": { "own": { "flags": ["-O2", "-Iarch/{arch}/include"] },
                          "old": { "flags": [], "prologue": "#define X 1\\n" } } } }
        """

    @Test func precompiledHeaders() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.pch.utf8, to: "kheaderd.json")
            let settings = try await Self.settings(file: file)
            #expect((settings.store.pchBytes, settings.store.pchRetrySeconds) == (1, 4))
            let pch = settings.pch
            #expect(!pch.isOn && pch.isUnsandboxed)
            #expect((pch.queue, pch.builders, pch.aheadDays) == (2, 3, 5))
            #expect((pch.limits.seconds, pch.limits.processorSeconds) == (6, 7))
            #expect((pch.limits.memoryBytes, pch.limits.outputBytes) == (8, 9))
            #expect(settings.pchToolchains == ["/opt/a/clang", "/opt/b/clang"])
            #expect(
                pch.umbrellas == [
                    Umbrella(name: "b-2", headers: ["net/sock.h", "bcc/proto.h"]),
                    Umbrella(name: "mine", headers: ["linux/sched.h"]),
                ])
            #expect(
                pch.profiles == [
                    CompilerProfile(name: "old", flags: [], prologue: "#define X 1\n"),
                    CompilerProfile(name: "own", flags: ["-O2", "-Iarch/{arch}/include"]),
                ])
            let variables = [
                "KHEADERD_PCH_ON": "true", "KHEADERD_PCH_UNSANDBOXED": "false", "KHEADERD_PCH_BYTES": "11",
                "KHEADERD_PCH_AHEAD_DAYS": "12", "KHEADERD_PCH_LIMITS_OUTPUT_BYTES": "13",
                "KHEADERD_PCH_TOOLCHAINS": "/x/clang,/y/clang",
            ]
            let changed = try await Self.settings(variables, file: file)
            #expect(changed.pch.isOn && !changed.pch.isUnsandboxed && changed.store.pchBytes == 11)
            #expect((changed.pch.aheadDays, changed.pch.limits.outputBytes) == (12, 13))
            #expect(changed.pchToolchains == ["/x/clang", "/y/clang"])
            #expect(changed.pch.umbrellas == pch.umbrellas)
        }
    }

    @Test(arguments: [
        (#""on": "perhaps""#, "pch.on"), (#""unsandboxed": "maybe""#, "pch.unsandboxed"), (#""bytes": 0"#, "pch.bytes"),
        (#""queue": "many""#, "pch.queue"), (#""builders": -1"#, "pch.builders"),
        (#""retrySeconds": 1.5"#, "pch.retrySeconds"),
        (#""aheadDays": 36526"#, "36525 days"), (#""toolchains": "clang""#, "pch.toolchains"),
        (#""toolchains": ["clang"]"#, "\"clang\""), (#""toolchains": [1]"#, "pch.toolchains"),
        (#""limits": { "seconds": 0 }"#, "pch.limits.seconds"),
        (#""limits": { "memoryBytes": "much" }"#, "pch.limits.memoryBytes"),
        (#""umbrellas": { "Mine": ["a.h"] }"#, "\"Mine\""), (#""umbrellas": { "net": ["a.h"] }"#, "not one of sched"),
        (#""umbrellas": { "mine": [] }"#, "\"mine\""), (#""umbrellas": { "mine": ["/etc/passwd"] }"#, "\"mine\""),
        (#""umbrellas": { "mine": ["a>b.h"] }"#, "\"mine\""), (#""umbrellas": { "mine": ["../a.h"] }"#, "\"mine\""),
        (#""umbrellas": { "mine": "a.h" }"#, "pch.umbrellas"), (#""umbrellas": ["mine"]"#, "pch.umbrellas"),
        (#""profiles": { "bpf": { "flags": [] } }"#, "\"bpf\""),
        (#""profiles": { "bcc-1": { "flags": [] } }"#, "\"bcc-1\""),
        (#""profiles": { "clang-x": { "flags": [] } }"#, "\"clang-x\""),
        (#""profiles": { "a b": { "flags": [] } }"#, "\"a b\""),
        (#""profiles": { "own": { "flags": ["-fplugin=x"] } }"#, "-fplugin=x"),
        (#""profiles": { "own": {} }"#, "pch.profiles"),
    ])
    func wrongSettingsOfPrecompiledHeaders(_ member: String, _ what: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("{ \"pch\": { \(member) } }".utf8, to: "kheaderd.json")
            let error = await #expect(throws: SettingsError.self) { try await Self.settings(file: file) }
            #expect(error?.description.contains(what) == true, "\(error?.description ?? "")")
        }
    }

    @Test(arguments: [
        (#""bytesPerSecond": 9, "days": 2"#, 9, 2 * 86400), (#""on": false"#, 0, 7 * 86400),
        (#""on": true, "days": 36525"#, 4 << 20, 36525 * 86400),
    ])
    func theVerify(_ members: String, bytesPerSecond: Int, seconds: Int) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("{ \"verify\": { \(members) } }".utf8, to: "kheaderd.json")
            let store = try await Self.settings(file: file).store
            #expect((store.verifyBytesPerSecond, store.verifySeconds) == (bytesPerSecond, seconds))
        }
    }

    @Test func theRepack() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(#"{ "repack": { "seconds": 7 } }"#.utf8, to: "kheaderd.json")
            #expect(try await Self.settings(file: file).store.repackSeconds == 7)
            #expect(try await Self.settings(["KHEADERD_REPACK_ON": "false"], file: file).store.repackSeconds == 0)
            for (name, value) in [("ON", "perhaps"), ("SECONDS", "0"), ("SECONDS", "soon")] {
                let error = await #expect(throws: SettingsError.self) {
                    try await Self.settings(["KHEADERD_REPACK_\(name)": value])
                }
                #expect(error?.description.contains("repack.\(name.lowercased())") == true)
            }
        }
    }

    @Test func traces() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(
                #"{ "traces": { "collector": "https://example.org/v1/traces", "oneIn": 10 } }"#.utf8,
                to: "kheaderd.json")
            let settings = try await Self.settings(file: file)
            #expect(settings.traces.collector == "https://example.org/v1/traces" && settings.traces.oneIn == 10)
            #expect(try await Self.settings().traces == TraceOptions())
            for (member, what) in [
                (#""collector": "127.0.0.1:4318""#, "no URL of a collector"), (#""collector": "ftp://x/""#, "no URL"),
                (#""collector": """#, "no URL"), (#""oneIn": 0"#, "traces.oneIn"),
            ] {
                let file = try folder.write("{ \"traces\": { \(member) } }".utf8, to: "wrong.json")
                let error = await #expect(throws: SettingsError.self) { try await Self.settings(file: file) }
                #expect(error?.description.contains(what) == true, "\(error?.description ?? "")")
            }
        }
    }

    @Test(arguments: [
        (#""on": "perhaps""#, "verify.on"), (#""bytesPerSecond": 0"#, "verify.bytesPerSecond"),
        (#""days": "many""#, "verify.days"), (#""days": 36526"#, "36525 days"),
    ])
    func wrongSettingsOfTheVerify(_ member: String, _ what: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("{ \"verify\": { \(member) } }".utf8, to: "kheaderd.json")
            let error = await #expect(throws: SettingsError.self) { try await Self.settings(file: file) }
            #expect(error?.description.contains(what) == true, "\(error?.description ?? "")")
        }
    }

    private static let json = """
        { "listen": "[::1]:1", "state": "/file", "logLevel": "debug", "bundleBytes": 11,
          "logFormat": "json", "accessLog": true, "drainSeconds": 12,
          "claims": { "seconds": 8, "opinions": 9 }, "uploads": { "number": 10, "seconds": 11 },
          "limits": { "archiveBytes": 1, "unpackedBytes": 2, "fileBytes": 3, "entries": 4, "ratio": 5, "seconds": 6,
                      "btfBytes": 7 } }
        """

    private static let environment = [
        "KHEADERD_LISTEN": "localhost:2", "KHEADERD_STATE": "/environment", "KHEADERD_LOG_LEVEL": "error",
        "KHEADERD_BUNDLE_BYTES": "12", "KHEADERD_LIMITS_ARCHIVE_BYTES": "101", "KHEADERD_LIMITS_UNPACKED_BYTES": "102",
        "KHEADERD_LIMITS_FILE_BYTES": "103", "KHEADERD_LIMITS_ENTRIES": "104", "KHEADERD_LIMITS_RATIO": "105",
        "KHEADERD_LIMITS_SECONDS": "106", "KHEADERD_LIMITS_BTF_BYTES": "107",
        "KHEADERD_CLAIMS_SECONDS": "108", "KHEADERD_CLAIMS_OPINIONS": "109",
    ]

    private static func limits(from first: Int) -> ArchiveLimits {
        var limits = ArchiveLimits.standard
        limits.archiveBytes = first
        limits.unpackedBytes = first + 1
        limits.fileBytes = first + 2
        limits.entries = first + 3
        limits.ratio = first + 4
        limits.seconds = first + 5
        return limits
    }

    @Test func theFile() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.json.utf8, to: "kheaderd.json")
            let settings = try await Self.settings(state: nil, file: file)
            #expect(settings.state == "/file")
            #expect(settings.listen == .tcp(host: "::1", port: 1))
            #expect(settings.logLevel == .debug && settings.logFormat == .json)
            #expect(settings.serving.accessLog && settings.serving.drainSeconds == 12)
            #expect(settings.store.bundleBytes == 11)
            #expect(settings.store.limits == Self.limits(from: 1))
            #expect(settings.store.btfBytes == 7)
            #expect((settings.uploads.sessions, settings.uploads.seconds) == (10, 11))
            #expect((settings.store.claimSeconds, settings.store.opinions) == (8, 9))
        }
    }

    @Test func theEnvironmentGoesBeforeTheFile() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.json.utf8, to: "kheaderd.json")
            let settings = try await Self.settings(state: nil, Self.environment, file: file)
            #expect(settings.state == "/environment")
            #expect(settings.listen == .tcp(host: "localhost", port: 2))
            #expect(settings.logLevel == .error)
            #expect(settings.store.bundleBytes == 12)
            #expect(settings.store.limits == Self.limits(from: 101))
            #expect(settings.store.btfBytes == 107)
            #expect((settings.store.claimSeconds, settings.store.opinions) == (108, 109))
            // What the environment leaves out, the file still says.
            let mixed = try await Self.settings(state: nil, ["KHEADERD_LIMITS_RATIO": "7"], file: file)
            var limits = Self.limits(from: 1)
            limits.ratio = 7
            #expect(mixed.store.limits == limits)
            #expect(mixed.state == "/file")
        }
    }

    @Test func theCommandLineGoesBeforeAll() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(Self.json.utf8, to: "kheaderd.json")
            let settings = try await Self.settings(
                listen: "unix:/socket", state: "/argument", Self.environment, file: file)
            #expect(settings.state == "/argument")
            #expect(settings.listen == .unix(path: "/socket"))
            #expect(settings.logLevel == .error)
        }
    }

    @Test func anonymousReads() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(#"{"anonymousReads": true}"#.utf8, to: "kheaderd.json")
            #expect(try await Self.settings(file: file).anonymousReads)
            #expect(try await !Self.settings(["KHEADERD_ANONYMOUS_READS": "false"], file: file).anonymousReads)
            #expect(try await Self.settings(["KHEADERD_ANONYMOUS_READS": "true"]).anonymousReads)
            #expect(try await Self.settings(anonymousReads: true, ["KHEADERD_ANONYMOUS_READS": "no"]).anonymousReads)
            let wrong = try folder.write(#"{"anonymousReads": "perhaps"}"#.utf8, to: "wrong.json")
            await #expect(throws: SettingsError.self) { try await Self.settings(file: wrong) }
        }
    }

    @Test func otherVariablesAreNotOurs() async throws {
        let settings = try await Self.settings([
            "LISTEN": "x", "STATE": "/other", "LIMITS_ENTRIES": "x", "KHEADER_URLS": "x",
        ])
        #expect(settings.state == "/state")
    }

    /// Kubernetes makes some for a service of this name: so they are told, and not refused.
    @Test func variablesThatAreNoSettingsAreTold() async throws {
        let settings = try await Self.settings([
            "KHEADERD_RETENTOIN_DAYS": "1", "KHEADERD_PORT": "tcp://10.0.0.1:8003", "KHEADERD_LIMITS_FILE_BYTES": "5",
            "KHEADERD_STATE": "/other", "KHEADERD_TRACES_ONE_IN": "2", "KHEADERD_LISTEN": "127.0.0.1:1", "HOME": "/",
            // Of the README and the Makefile.
            "KHEADERD_CACHE": "/cache", "KHEADERD_PACKAGES": "/cache/packages",
        ])
        #expect(settings.unknownVariables == ["KHEADERD_PORT", "KHEADERD_RETENTOIN_DAYS"])
    }

    @Test(arguments: [
        (
            #"{"lisen":1}"#, "lisen",
            "There are accessLog, anonymousReads, bundleBytes, claims, drainSeconds, hosts, limits, listen, logFormat, "
                + "logLevel, pch, repack, retention, state, traces, uploads, verify."
        ),
        (#"{"retention":{"on":true,"dayz":1}}"#, "retention.dayz", "retention.days"),
        (#"{"pch":{"limits":{"second":1}}}"#, "pch.limits.second", "pch.limits.seconds"),
        (#"{"limits":5}"#, "limits", "There are limits.archiveBytes, limits.btfBytes"),
        (#"{"nothing":{"of":1}}"#, "nothing.of", "There are accessLog, "),
    ])
    func aMemberThatIsNoSettingIsRefused(_ json: String, _ name: String, _ near: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(json.utf8, to: "kheaderd.json")
            await #expect { try await Self.settings(file: file) } throws: {
                "\($0)".contains("\"\(name)\"") && "\($0)".contains(near)
            }
        }
    }

    @Test(arguments: ["store", "./a/store"]) func aStatesFolderIsAbsolute(_ state: String) async throws {
        let folder = try #require(realpath(".", nil))
        defer { free(folder) }
        #expect(try await Self.settings(state: state).state == "\(String(cString: folder))/\(state)")
    }

    @Test func withoutAState() async {
        for (state, environment) in [(nil, [:]), ("", [:]), (nil, ["KHEADERD_STATE": ""])] {
            await #expect { try await Self.settings(state: state, environment) } throws: {
                "\($0)".contains("--state")
            }
        }
    }

    @Test(arguments: [
        ("LISTEN", "nowhere"), ("LISTEN", ""), ("LOG_LEVEL", "loud"), ("LOG_LEVEL", ""), ("BUNDLE_BYTES", "0"),
        ("BUNDLE_BYTES", "-1"),
        ("BUNDLE_BYTES", "4GB"), ("LIMITS_ENTRIES", "0"), ("LIMITS_ENTRIES", "many"), ("LIMITS_RATIO", "1.5"),
        ("LIMITS_SECONDS", "99999999999999999999"), ("LIMITS_FILE_BYTES", ""), ("LIMITS_ARCHIVE_BYTES", "-5"),
        ("LIMITS_UNPACKED_BYTES", "0x10"), ("LIMITS_BTF_BYTES", "0"),
        ("ANONYMOUS_READS", "perhaps"), ("ANONYMOUS_READS", ""), ("LOG_FORMAT", "xml"), ("ACCESS_LOG", "perhaps"),
        ("DRAIN_SECONDS", "-1"),
    ])
    func wrongValues(_ name: String, _ value: String) async {
        await #expect(throws: (any Error).self) { try await Self.settings(["KHEADERD_\(name)": value]) }
    }

    @Test func aWrongAddressOnTheCommandLine() async {
        await #expect { try await Self.settings(listen: "nowhere") } throws: { error in
            error is SettingsError && "\(error)".contains("\"nowhere\"")
        }
    }

    @Test(arguments: [
        "", "[]", "{", #"{"state":5}"#, #"{"limits":{"entries":"many"}}"#, #"{"limits":{"entries":-1}}"#,
        #"{"listen":["127.0.0.1:1"]}"#, #"{"bundleBytes":true}"#,
    ])
    func wrongFiles(_ json: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(json.utf8, to: "kheaderd.json")
            await #expect(throws: (any Error).self) { try await Self.settings(state: nil, file: file) }
        }
    }

    @Test(arguments: [
        ("{\"listen\":\n x}", "it is no JSON, see line 2, column 2."), ("x", "it is no JSON, see line 1, column 1."),
        ("{\"a\":1", "it is no JSON, as it ends too early."), ("", "it is no JSON, as it ends too early."),
        ("[]", "The top-level value of the JSON file must be an object."),
    ])
    func whyAFileIsNoJSONIsSaidInPlainWords(_ json: String, _ reason: String) async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write(json.utf8, to: "kheaderd.json")
            let error = await #expect(throws: SettingsError.self) { try await Self.settings(file: file) }
            #expect(error?.description == "The settings in \(file) can't be read: \(reason)")
        }
    }

    @Test(arguments: [("/nowhere/kheaderd.json", "No such file or directory"), ("/", "Is a directory")])
    func aFileThatCantBeRead(_ file: String, _ reason: String) async {
        let error = await #expect(throws: SettingsError.self) { try await Self.settings(file: file) }
        #expect(error?.description == "The settings in \(file) can't be read: \(reason).")
    }
}
