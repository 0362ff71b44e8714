import Testing

@testable import TracingClient

@Suite struct DiagnosticRelayTests {
    private static let now = Duration.seconds(1)

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func ordinaryLinesPassAtOnce() {
        var relay = DiagnosticRelay()
        #expect(
            Self.text(relay.take("Tracing… Ctrl-C to end.\nwarning: slow\n".utf8, at: Self.now))
                == "Tracing… Ctrl-C to end.\nwarning: slow\n")
        #expect(relay.nextWait == nil && relay.firstError == nil && relay.finish().isEmpty)
    }

    /// A prompt has no line end.
    @Test func aLineWithoutAnEndPassesSoon() throws {
        var relay = DiagnosticRelay()
        #expect(relay.take("name? ".utf8, at: Self.now).isEmpty)
        let next = try #require(relay.nextWait)
        #expect(relay.wait(until: Self.now).isEmpty)
        #expect(Self.text(relay.wait(until: next)) == "name? " && relay.nextWait == nil)
        // It counts as the beginning of its line all the same.
        #expect(relay.take("x.c:1:1: error: no\n".utf8, at: next).isEmpty)
        #expect(relay.firstError == "name? x.c:1:1: error: no")
        #expect(Self.text(relay.finish()) == "x.c:1:1: error: no\n")
    }

    @Test(arguments: [
        "p.c:3:5: error: unknown type\n", "p.c:3:5: fatal error: 'a.h' file not found\n",
        "error: no suitable precompiled header file found in directory './x'\n", "fatal error: file too old\n",
        "clang: error: no such file\n",
        "\u{1B}[1mp.c:1:1: \u{1B}[0m\u{1B}[0;1;31merror: \u{1B}[0m\u{1B}[1mbad\u{1B}[0m\n",
    ])
    func fromAnErrorOnTextIsHeld(_ line: String) {
        var relay = DiagnosticRelay()
        let parts = Array("first\n\(line)  code\n".utf8)
        // However it comes in pieces.
        var passed: [UInt8] = []
        for byte in parts { passed += relay.take([byte], at: Self.now) }
        #expect(Self.text(passed) == "first\n")
        #expect(relay.firstError?.contains("error: ") == true && relay.firstError?.contains("\u{1B}") == false)
        #expect(Self.text(relay.finish()) == line + "  code\n")
    }

    /// What is no compiler's is no reason to run a tool again.
    @Test(arguments: ["t.py: error: unrecognized arguments: --bad\n", "ninja: error: loading 'x'\n", "x:1: errors\n"])
    func complaintsOfOthersPass(_ line: String) {
        var relay = DiagnosticRelay()
        #expect(Self.text(relay.take(line.utf8, at: Self.now)) == line)
        #expect(relay.firstError == nil)
    }

    /// Only a warning follows: nothing to run the tool again for.
    @Test func whatLeadsToAWarningIsHeldAndNoError() {
        var relay = DiagnosticRelay()
        let text = "In file included from p.c:1:\nown.h:2:3: warning: unused\n"
        #expect(relay.take(text.utf8, at: Self.now).isEmpty)
        #expect(relay.firstError == nil && Self.text(relay.finish()) == text)
    }

    @Test func aToolThatGoesOnGetsItsText() throws {
        var relay = DiagnosticRelay()
        #expect(relay.take("p.c:1:1: error: x\n".utf8, at: Self.now).isEmpty)
        let next = try #require(relay.nextWait)
        #expect(next == Self.now + DiagnosticRelay.patience)
        #expect(Self.text(relay.wait(until: next)) == "p.c:1:1: error: x\n")
        // Then it is the tool's own affair.
        #expect(relay.firstError == nil && relay.nextWait == nil)
        #expect(Self.text(relay.take("q.c:1:1: error: y\n".utf8, at: next)) == "q.c:1:1: error: y\n")
        #expect(relay.firstError == nil)
    }

    /// bcc compiles a second time before it fails.
    @Test func aToolThatComputesIsWaitedForABit() {
        var relay = DiagnosticRelay()
        _ = relay.take("p.c:1:1: error: x\n".utf8, at: Self.now)
        var now = Self.now
        while let next = relay.nextWait, now < .seconds(1000) {
            now = next
            _ = relay.wait(until: now) { true }
        }
        #expect(relay.firstError == nil && now > .seconds(60) && now < .seconds(66))
    }

    @Test func noMoreIsHeldThanTheLimit() {
        var relay = DiagnosticRelay()
        var passed = relay.take("p.c:1:1: error: x\n".utf8, at: Self.now).count
        var count = 18
        let line = Array(repeating: UInt8(ascii: "a"), count: 999) + [10]
        while passed == 0, count < 2 << 20 {
            passed += relay.take(line, at: Self.now).count
            count += line.count
        }
        #expect(passed == count && count > 1 << 20 && count < (1 << 20) + 5000)
    }

    @Test func aLineWithoutEndIsNotKept() {
        var relay = DiagnosticRelay()
        let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20)
        #expect(relay.take(bytes, at: Self.now).count >= (3 << 20) - (1 << 12))
    }

    @Test func theLastLineMayLackItsEnd() {
        var relay = DiagnosticRelay()
        #expect(relay.take("error: broken".utf8, at: Self.now).isEmpty)
        #expect(relay.end().isEmpty && relay.firstError == "error: broken")
        #expect(Self.text(relay.finish()) == "error: broken")
        var plain = DiagnosticRelay()
        #expect(plain.take("bye".utf8, at: Self.now).isEmpty && Self.text(plain.end()) == "bye")
        #expect(plain.finish().isEmpty)
    }

    @Test func theFirstErrorIsFitForASentence() {
        var relay = DiagnosticRelay()
        _ = relay.take("error: \u{1}\u{7}\(String(repeating: "y", count: 500))\n".utf8, at: Self.now)
        #expect(relay.firstError?.hasPrefix("error: ??y") == true && relay.firstError?.count == 201)
    }
}
