import Testing

@testable import PrecompiledHeaders

@Suite struct MacroGuardTests {
    private static func poisoned(_ text: String, defined: Set<String> = [], exempt: String = "") -> [String] {
        var macroGuard = MacroGuard()
        macroGuard.read(Array(text.utf8))
        return macroGuard.pragmas(defined: defined, exempt: exempt).split(separator: "\n").dropFirst().map {
            String($0.dropFirst("#pragma GCC poison ".count))
        }
    }

    @Test func whatConditionsNameIsPoisonedUnlessItIsDefined() {
        let text = """
            #ifdef CONFIG_KCOV
            # if defined(DEBUG) && !defined (SMP) || VERSION >= 3
            #elif OTHER
              #ifndef GUARD
            #endif
            #define NOT_TESTED 1
            int a = NEITHER;
            """
        #expect(
            Self.poisoned(text, defined: ["SMP", "GUARD"]) == ["CONFIG_KCOV", "DEBUG", "OTHER", "VERSION"])
    }

    /// `if (IS_ENABLED(CONFIG_X))` in a function.
    @Test func configurationIsPoisonedWhereverItIsRead() {
        #expect(Self.poisoned("int a = IS_ENABLED(CONFIG_X);\n") == ["CONFIG_X"])
    }

    @Test func continuedLinesAndCommentsAreRead() {
        #expect(Self.poisoned("#if defined(A) \\\n && defined(B)\n") == ["A", "B"])
        #expect(Self.poisoned("#/* x */if /* C\n #ifdef D */ E\n") == ["E"])
        #expect(Self.poisoned("#ifdef A /* without end") == ["A"])
        #expect(Self.poisoned("/*/ #ifdef A\n*/#ifdef B\n") == ["B"])
        #expect(Self.poisoned("#if A / B\n") == ["A", "B"])
        // What opens no comment.
        #expect(Self.poisoned("// see net/*.h\n#ifdef A\n") == ["A"])
        #expect(Self.poisoned("char *a = \"/*\", b = '\"';\n#ifdef A\n") == ["A"])
        #expect(Self.poisoned("#error don't\n#ifdef A /* \" */\n#ifdef B\n") == ["A", "B"])
        #expect(Self.poisoned("#ifdef A\\") == ["A"])
    }

    /// Names that compilers define, and that other headers test after the kernel's.
    @Test func compilersNamesAreSpared() {
        let text =
            "#if defined(__s390__) || defined(__cplusplus) || defined(__CHECKER__) || __has_include(<a>) || defined(__GENKSYMS__)\n"
        #expect(Self.poisoned(text) == ["__CHECKER__", "__GENKSYMS__", "a"])
    }

    /// bcc tests macros of its own before each program.
    @Test func theClientsOwnTextMayTestWhatItLikes() {
        #expect(Self.poisoned("#if A || B\n", exempt: "#ifdef A\n#endif\n") == ["B"])
    }

    @Test func redefinitionsBecomeErrors() {
        #expect(
            MacroGuard().pragmas(defined: [], exempt: "") == "#pragma clang diagnostic error \"-Wmacro-redefined\"\n")
    }

    @Test func definedNamesAreReadFromTheCompiler() {
        let output = "#define A 1\n#define F(x) x\n#define E\nother\n#define _B_ \"#define C\"\n"
        #expect(MacroGuard.names(definedIn: Array(output.utf8)) == ["A", "F", "E", "_B_"])
    }
}
