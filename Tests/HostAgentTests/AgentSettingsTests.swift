import HeaderTransport
import HostAgent
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct AgentSettingsTests {
    private func settings(
        _ options: [AgentSettings.Name: String] = [:], environment: [String: String] = [:], file: String? = nil
    ) throws -> AgentSettings {
        try AgentSettings(options: options, environment: { environment[$0] }, file: file)
    }

    @Test func optionsComeBeforeTheEnvironmentAndThatBeforeTheFile() throws {
        try withTemporaryFolder { folder in
            try folder.write(
                """
                # The agent's settings

                KHEADER_AGENT_EVERY=6h
                  KHEADER_AGENT_SALT = 'of this fleet'
                KHEADER_AGENT_ROOT="/host"
                """.utf8, to: "agent.conf")
            let file = folder.path("agent.conf")
            let plain = try settings(file: file)
            #expect(try plain.every() == .seconds(6 * 3600))
            #expect(plain.salt == "of this fleet" && plain.root == "/host")
            let environment = ["KHEADER_AGENT_EVERY": "2h", "KHEADER_AGENT_ROOT": "", "KHEADER_AGENT_CONFIG": file]
            #expect(try settings(environment: environment).every() == .seconds(2 * 3600))
            #expect(try settings(environment: environment).root == "/host", "an empty variable is none")
            #expect(try settings([.every: "90m"], environment: environment).every() == .seconds(5400))
        }
    }

    @Test func withoutAnythingThereAreDefaults() throws {
        let settings = try settings(environment: ["KHEADER_AGENT_CONFIG": "/dev/null"])
        #expect(settings.root == "/" && settings.salt.isEmpty)
        #expect(try settings.every() == nil)
        #expect(try settings.totalTime() == .seconds(600))
        #expect(try settings.mayLoadModule())
        #expect(try settings.logLevel() == .info)
        #expect(try settings.servers(options: []).map(\.description) == ["http://127.0.0.1:8003"])
    }

    @Test func aPersonWaitsForLessUnlessASettingSaysForHowLong() throws {
        let file = ["KHEADER_AGENT_CONFIG": "/dev/null"]
        let quick = try settings(environment: file).quickTimeouts()
        #expect(quick.connect == 3 && quick.document == 10)
        let long = try settings([.timeout: "120"], environment: file)
        #expect(try long.quickTimeouts() == long.timeouts())
        #expect(try settings([.timeout: "2"], environment: file).quickTimeouts().document == 2)
    }

    @Test(arguments: ["KHEADER_AGENT_EVRY=6h", "nonsense", "=x", "export KHEADER_URLS=x"])
    func aLineThatIsNoSettingIsSaidSo(line: String) throws {
        try withTemporaryFolder { folder in
            try folder.write("# first\n\(line)\n".utf8, to: "agent.conf")
            let problem = #expect(throws: Problem.self) { try settings(file: folder.path("agent.conf")) }
            #expect(problem?.code == .parameterMalformed)
            #expect(problem?.detail.contains("Line 2 of") == true)
        }
    }

    @Test func aFileThatIsNamedMustBeThere() {
        #expect(throws: (any Error).self) { try settings(file: "/nowhere/agent.conf") }
        #expect(throws: (any Error).self) { try settings(environment: ["KHEADER_AGENT_CONFIG": "/nowhere"]) }
    }

    @Test func aFileOverTheLimitIsRefused() throws {
        try withTemporaryFolder { folder in
            try folder.write([UInt8](repeating: UInt8(ascii: "\n"), count: 1 << 16), to: "most")
            try folder.write([UInt8](repeating: UInt8(ascii: "\n"), count: 1 << 16 + 1), to: "over")
            _ = try settings(file: folder.path("most"))
            #expect(throws: Problem.self) { try settings(file: folder.path("over")) }
        }
    }

    @Test(arguments: [
        (AgentSettings.Name.every, "59s"), (.every, "soon"), (.totalTime, "0"), (.totalTime, "-5m"),
        (.loadModule, "maybe"), (.log, "loud"), (.timeout, "0"),
    ])
    func whatIsNoSuchValueIsSaidSo(name: AgentSettings.Name, value: String) throws {
        let settings = try settings([name: value], environment: ["KHEADER_AGENT_CONFIG": "/dev/null"])
        let problem = #expect(throws: Problem.self) {
            _ = (
                try settings.every(), try settings.totalTime(), try settings.mayLoadModule(), try settings.logLevel(),
                try settings.timeouts()
            )
        }
        #expect(problem?.code == .parameterMalformed && problem?.detail.contains(value) == true)
    }

    @Test(arguments: [
        ("90s", 90), ("10m", 600), ("6h", 21600), ("1d", 86400), ("45", 45), ("366d", 366 * 86400),
    ])
    func times(text: String, seconds: Int) { #expect(TimeSpan.parse(text) == .seconds(seconds)) }

    @Test(arguments: ["", "s", "0", "0h", "-1s", "1.5h", "367d", "9223372036854775807d", "6 h", "6H", "١s"])
    func whatIsNoTime(text: String) { #expect(TimeSpan.parse(text) == nil) }
}
