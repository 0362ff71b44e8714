import KHeaderTestSupport
import Testing

@Suite struct UsageTests {
    @Test(arguments: ["kheaderd", "kheader", "kheader-agent"])
    func helpIsDataAndAMistakeIsExitCode2(_ program: String) throws {
        let help = try run(program, "--help")
        #expect(help.status == 0)
        #expect(help.text.contains("Exit codes") && help.text.contains("USAGE"))
        #expect(help.errors.isEmpty)
        let mistake = try run(program, "--no-such-option")
        #expect(mistake.status == 2)
        #expect(mistake.output.isEmpty && !mistake.errors.isEmpty)
    }

    @Test(arguments: [["serve"], ["serve", "--state", "x", "--listen", "nonsense"]])
    func theServerSaysWhatItLacks(_ arguments: [String]) throws {
        let result = try ShellCommand(BuiltProgram.path("kheaderd"), arguments).run()
        #expect(result.status == 2)
        #expect(!result.errors.isEmpty)
    }
}
