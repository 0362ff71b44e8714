import KHeaderTestSupport
import Testing

@Suite struct UsageTests {
    @Test func noSourceIsLeftIsUsage() async throws {
        let result = try await run("kheader", "path", "--no-local", "--only", "kheaders", "--build-id", "ab")
        #expect(result.status == 2 && result.errors.contains("leave no source"))
    }

    @Test(arguments: ["kheaderd", "kheader", "kheader-agent"])
    func helpIsDataAndAMistakeIsExitCode2(_ program: String) async throws {
        let help = try await run(program, "--help")
        #expect(help.status == 0)
        #expect(help.text.contains("Exit codes") && help.text.contains("USAGE"))
        #expect(help.errors.isEmpty)
        let mistake = try await run(program, "--no-such-option")
        #expect(mistake.status == 2)
        #expect(mistake.output.isEmpty && !mistake.errors.isEmpty)
    }

    @Test(arguments: [["serve"], ["serve", "--state", "x", "--listen", "nonsense"]])
    func theServerSaysWhatItLacks(_ arguments: [String]) async throws {
        let result = try await run("kheaderd", arguments)
        #expect(result.status == 2)
        #expect(!result.errors.isEmpty)
    }
}
