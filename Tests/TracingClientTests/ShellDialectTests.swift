import KHeaderTestSupport
import Testing
import TracingClient

@Suite struct ShellDialectTests {
    private static let values = [
        "/run/kheader/tree", "", "with space", "a'b", "a\"b", "$HOME `id` \\ ! * ? ~ ;&|", "two\nlines", "ünï",
        "a\\'b\\",
    ]

    /// The shell itself says what it understood.
    @Test(arguments: values) func posixShellsReadWhatWasMeant(_ value: String) throws {
        let line = ShellDialect.sh.assignment("KHEADER_X", value)
        let output = try ShellCommand("sh", "-c", "\(line)\nprintenv KHEADER_X").output()
        #expect(String(decoding: output, as: UTF8.self) == value + "\n")
        let words = try ShellCommand("sh", "-c", "printf '<%s>' \(ShellDialect.sh.line([value, "b"]))").output()
        #expect(String(decoding: words, as: UTF8.self) == "<\(value)><b>")
    }

    @Test func cshAndFishHaveTheirOwnQuotes() {
        #expect(ShellDialect.csh.assignment("A", "it's!\n") == "setenv A 'it'\\''s\\!\\\n';")
        #expect(ShellDialect.fish.assignment("A", "it's \\ !") == "set -gx A 'it\\'s \\\\ !'")
        #expect(ShellDialect.sh.assignment("A", "/x") == "export A='/x'")
    }

    @Test func plainWordsStayPlain() {
        #expect(ShellDialect.sh.line(["-I/a/b", "-DX=\"y\"", "-DX=1"]) == "-I/a/b '-DX=\"y\"' -DX=1")
    }
}
