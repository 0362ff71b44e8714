import HeaderArchive
import KernelHeaders
import Testing

@testable import HeaderTransport

@Suite struct PresentationTests {
    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (123_456, "123 kB"), (999_999, "999 kB"),
        (1_000_000, "1.0 MB"), (7_149_999, "7.1 MB"), (3_200_000_000, "3.2 GB"), (Int.max, "9.2 EB"),
    ])
    func bytesAreShort(bytes: Int, text: String) { #expect(ByteSize.text(bytes) == text) }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (1_795_293_780, "2026-11-21T20:43:00Z"), (-1, "1969-12-31T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"), (Int.max, "\(Int.max)"),
    ])
    func timesAreUTC(seconds: Int, text: String) { #expect(UTCTime.text(seconds) == text) }

    @Test func columnsAreAligned() {
        var table = TextTable([.init("RELEASE"), .init("FILES", .right), .init("LAST")])
        #expect(table.text == "RELEASE  FILES  LAST")
        table.add(["6.1.0-56-amd64", "7", "today"])
        table.add(["", "12345", ""])
        #expect(
            table.text == """
                RELEASE         FILES  LAST
                6.1.0-56-amd64      7  today
                -               12345  -
                """)
    }

    @Test func aServersWordsCannotPaint() {
        var table = TextTable([.init("A")])
        table.add(["red\u{1B}[31m\nline\u{9B}2J"])
        #expect(table.text == "A\nred?[31m?line?2J")
        #expect(Console.printable("a\r\tb\u{7F}\nç") == "a??b?\nç")
        #expect(Console.printable("6.1\u{202E}46dma\u{200B}\u{2028}é日🐧") == "6.1?46dma??é日🐧")
    }

    @Test func aHostsReleaseLeavesRoomForOthers() {
        var table = TextTable([.release, .init("A")])
        table.add([String(repeating: "6", count: 64), "1"])
        table.add([String(repeating: "7", count: 65), "2"])
        #expect(
            table.text.hasSuffix("\(String(repeating: "6", count: 64))  1\n\(String(repeating: "7", count: 63))…  2"))
    }

    @Test func aDigestFieldIsRFC9530s() {
        // The example of RFC 9530, appendix B: the SHA-256 of {"hello": "world"} and a line feed.
        let digest = SHA256Hash.digest(of: Array("{\"hello\": \"world\"}\n".utf8))
        #expect(ContentDigest.field(digest) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:")
    }
}

@Suite struct ProgressLineTests {
    private var half: ProgressLine {
        ProgressLine(label: "Fetching", done: 3_600_000, total: 7_200_000, elapsed: .seconds(3))
    }

    @Test func aWideTerminalShowsItAll() {
        #expect(
            half.text(width: 120)
                == "Fetching  [===============>              ]   50%  3.6 MB of 7.2 MB  1.2 MB/s  3 s left")
    }

    @Test func aNarrowOneShowsLess() {
        #expect(half.text(width: 60) == "Fetching  [======>      ]   50%  3.6 MB of 7.2 MB  1.2 MB/s")
        #expect(half.text(width: 30) == "Fetching  [=====>     ]   50%")
        #expect(half.text(width: 20) == "Fetching   50%")
        #expect(half.text(width: 6) == "Fetch")
        #expect(half.text(width: 0) == "")
    }

    @Test func noLineWraps() {
        let labels = ["", "Fetching", "Reading /a/very/long/path/of/an/archive/that/somebody/has.tar.xz"]
        for label in labels {
            for total in [nil, 0, 1, 7_200_000] {
                for width in 0..<130 {
                    let line = ProgressLine(label: label, done: 3_600_000, total: total, elapsed: .seconds(3))
                    #expect(line.text(width: width).count < max(1, width))
                }
            }
        }
    }

    @Test func theEndsAreRight() {
        var line = half
        (line.done, line.elapsed) = (0, .zero)
        #expect(line.text(width: 80).hasPrefix("Fetching  [>                             ]    0%  0 B of 7.2 MB"))
        line.done = 7_200_000
        #expect(line.text(width: 80).hasPrefix("Fetching  [==============================]  100%"))
        line.done = .max
        #expect(line.text(width: 80).contains("100%"))
        line.done = -1
        #expect(line.text(width: 80).contains("  0%"))
    }

    @Test func withoutATotalItCounts() {
        var line = half
        line.total = nil
        #expect(line.text(width: 80) == "Fetching  3.6 MB  3 s")
        line.done = 0
        #expect(line.text(width: 80) == "Fetching  3 s")
    }

    @Test func aStandstillHasNoTimeLeft() {
        let line = ProgressLine(label: "F", done: 1, total: .max, elapsed: .seconds(1))
        #expect(line.text(width: 120).hasSuffix("1 B/s"))
    }
}
