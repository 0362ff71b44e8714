import Testing

@testable import HeaderServer

@Suite struct PageTextTests {
    @Test func figures() {
        #expect(PageText.count(0) == "0" && PageText.count(999) == "999" && PageText.count(-1000) == "-1\u{A0}000")
        #expect(PageText.count(1_234_567) == "1\u{A0}234\u{A0}567")
        #expect(PageText.count(1, "host") == "1\u{A0}host" && PageText.count(0, "host") == "0\u{A0}hosts")
        #expect(PageText.count(2, "entry", "entries") == "2\u{A0}entries")
        #expect(
            PageText.share(0, of: 0) == "0%" && PageText.share(1, of: 3) == "33%" && PageText.share(3, of: 3) == "100%")
        #expect(PageText.share(1, of: 1000) == "under\u{A0}1%" && PageText.share(999, of: 1000) == "over\u{A0}99%")
    }

    @Test(arguments: [
        (0, "just\u{A0}now"), (59, "just\u{A0}now"), (60, "1\u{A0}minute\u{A0}ago"), (7199, "1\u{A0}hour\u{A0}ago"),
        (86_400 * 3, "3\u{A0}days\u{A0}ago"), (86_400 * 400, "1\u{A0}year\u{A0}ago"), (-5, "just\u{A0}now"),
    ])
    func ages(seconds: Int, text: String) { #expect(PageText.age(1_000_000_000 - seconds, now: 1_000_000_000) == text) }

    @Test func aBarsPartsMakeUpTheWhole() {
        let bar = CoverageBar("Hosts", [("good", "here", 1), ("fair", "unknown", 0), ("poor", "missing", 2)])
        #expect(bar.parts.map(\.name) == ["here", "missing"])
        #expect(bar.parts.map(\.start) == ["0.00", "33.33"] && bar.parts.map(\.width) == ["33.33", "66.66"])
        #expect(bar.label == "Hosts: here: 33%, missing: 67%")
        #expect(CoverageBar("Hosts", [("good", "here", 0)]).parts.isEmpty)
    }

    @Test(arguments: [
        ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;"), ("\"\u{301}", "&quot;\u{301}"), ("<\u{FE0F}", "&lt;\u{FE0F}"),
        ("\u{0}\u{1B}[1m", "[U+0][U+1B][1m"), ("a\nb\tc", "a\nb\tc"), ("\u{200B}\u{FEFF}", "[U+200B][U+FEFF]"),
        ("e\u{301}日本", "e\u{301}日本"), ("\r", "[U+D]"),
    ])
    func textIsEscapedByScalars(text: String, escaped: String) {
        let result = PageEscaping().escapeText(text)
        #expect(result.unicodeScalars.elementsEqual(escaped.unicodeScalars))
    }
}
