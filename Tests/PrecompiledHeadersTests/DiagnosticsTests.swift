import Testing

@testable import PrecompiledHeaders

@Suite struct DiagnosticsTests {
    private static func blames(_ text: String) -> [Diagnostics.Blame] {
        Diagnostics(text, umbrella: "/umbrella/umbrella.h").blames
    }

    @Test func errorsAreTheLinesThatLedToThem() {
        let text = """
            In file included from /umbrella/umbrella.h:3:
            In file included from include/net/sock.h:46:
            include/linux/foo.h:12:3: error: unknown type name 'bar'
            bar x;
            ^
            include/linux/foo.h:13:3: error: another
            In file included from /umbrella/umbrella.h:5:
            include/linux/fine.h:1:2: warning: this is: error-prone
            include/linux/fine.h:2:2: fatal error: 'gone.h' file not found
            """
        #expect(
            Self.blames(text) == [
                .init(line: 3, message: "include/linux/foo.h:12:3: error: unknown type name 'bar'"),
                .init(line: 5, message: "include/linux/fine.h:2:2: fatal error: 'gone.h' file not found"),
            ])
    }

    @Test func theUmbrellaItselfCanBeToBlame() {
        #expect(
            Self.blames("/umbrella/umbrella.h:7:10: fatal error: 'linux/gone.h' file not found")
                == [.init(line: 7, message: "/umbrella/umbrella.h:7:10: fatal error: 'linux/gone.h' file not found")])
    }

    /// What is included before the umbrella is nobody's fault in it.
    @Test func errorsBeforeTheUmbrellaHaveNoLine() {
        let text = """
            In file included from /umbrella/umbrella.h:3:
            a.h:1:1: warning: x
            In file included from <built-in>:1:
            include/linux/kconfig.h:5:2: error: no
            """
        #expect(Self.blames(text).map(\.line) == [nil])
        #expect(Self.blames("clang: error: unknown argument: '-fnew'").map(\.line) == [nil])
    }

    @Test func firstErrorIsTheFirst() {
        #expect(Diagnostics.firstError("a\nb:1:1: error: c\nd:1:1: error: e") == "b:1:1: error: c")
        #expect(Diagnostics.firstError("warning: x") == nil)
    }
}
