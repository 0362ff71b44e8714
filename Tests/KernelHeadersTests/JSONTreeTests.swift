import FoundationEssentials
import KHeaderTestSupport
import Testing

@testable import KernelHeaders

/// The JSON by hand against Foundation's.
@Suite struct JSONTreeTests {
    private static let valid = [
        "null", "true", "false", "0", "-0", "12", "-1.5e+3", "1E9", "\"\"", "[]", "{}", " [ 1 , 2 ] ",
        #"{"a":{"b":[true,null]}}"#, #""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00""#, "\"é😀\"", "\t\n\r [0]",
    ]
    private static let invalid = [
        "", " ", "nul", "tru", "01", "-", "1.", ".5", "1e", "+1", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}",
        "{\"a\":1,}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u+123\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\n\"", "1 1", "]",
        "}",
        "[", "{", "\"\u{1}\"", "nullnull",
    ]

    @Test(arguments: valid) func whatIsJSONIsRead(text: String) throws {
        let tree = try JSONTree(parsing: text.utf8)
        #expect(try JSONTree(parsing: tree.bytes) == tree)
    }

    @Test(arguments: invalid) func whatIsNotIsRefused(text: String) {
        #expect(throws: JSONTree.Malformed.self) { try JSONTree(parsing: text.utf8) }
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        #expect(throws: JSONTree.Malformed.self) { try JSONTree(parsing: [0x22, 0xFF, 0x22]) }
    }

    @Test func escapesMeanWhatTheyMean() throws {
        #expect(try JSONTree(parsing: #""\u0041\n\ud83d\ude00\/""#.utf8) == .string("A\n😀/"))
        #expect(JSONTree.string("\u{1}\"\\\n").bytes == Array(#""\u0001\"\\\u000a""#.utf8))
    }

    @Test func nestingHasALimit() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONTree(parsing: nested(JSONTree.maximumDepth + 1).utf8)
        #expect(throws: JSONTree.Malformed.self) { try JSONTree(parsing: nested(JSONTree.maximumDepth + 2).utf8) }
        #expect(throws: JSONTree.Malformed.self) { try JSONTree(parsing: nested(1_000_000).utf8) }
    }

    @Test func anyBytesAreReadOrRefused() {
        var generator = SeededGenerator(seed: 7)
        let alphabet = Array("{}[]\",:\\u0019e-+.truefalsn \n".utf8)
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            guard let tree = try? JSONTree(parsing: text) else { continue }
            #expect((try? JSONTree(parsing: tree.bytes)) == tree)
        }
    }

    @Test func aProblemIsWrittenAsFoundationWritesIt() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for problem in [
            Problem(.kernelUnknown, "Push it: \"a/b\" – ü", requestID: "0123"), Problem(.internalError, ""),
        ] {
            #expect(problem.json == Array(try encoder.encode(problem)))
        }
    }

    @Test func aSightingIsWrittenAsFoundationWritesIt() throws {
        let host = try #require(HostID("00112233445566778899aabbccddeeff"))
        let id = try #require(BuildID("0011"))
        let full = Sighting(
            host: host, bootID: "boot \"1\"\n", agent: "kheader-agent/0",
            kernel: KernelIdentity(
                buildID: id, release: "6.1/é", versionLine: "#1", architecture: Architecture(machine: "x86_64"),
                hasBTF: true),
            steps: [CollectStep(.sysfs, .usable), CollectStep(.moduleFile, .damaged, "a\\b")],
            offers: [
                ArtefactOffer(.headers, origin: .sysfs, bytes: 7, digest: Digest(String(repeating: "ab", count: 32))),
                ArtefactOffer(.btf),
            ])
        let bare = Sighting(
            host: host, bootID: "", agent: "", kernel: KernelIdentity(buildID: id), steps: [], offers: [])
        for sighting in [full, bare] {
            #expect(try JSONDecoder().decode(Sighting.self, from: Data(sighting.json.bytes)) == sighting)
            let ofFoundation = try JSONTree(parsing: JSONEncoder().encode(sighting))
            #expect(ofFoundation == sighting.json)
        }
    }

    @Test func answersAreReadAsFoundationReadsThem() throws {
        func check<Document: JSONReadable & Codable & Equatable>(_ document: Document) throws {
            let bytes = try JSONEncoder().encode(document)
            #expect(try Document(json: JSONTree(parsing: bytes)) == document)
        }
        try check(
            SightingAnswer(
                verdicts: ArtefactVerdict.Answer.allCases.filter { $0 != .unknown }.flatMap { answer in
                    ArtefactVerdict.Reason.allCases.filter { $0 != .unknown }.map {
                        ArtefactVerdict(.headers, answer, $0, "why", claim: "c", seconds: 3, wantsDigest: false)
                    }
                } + [ArtefactVerdict(.btf, .have, .known, "")], time: 1_700_000_000))
        let digest = try #require(Digest(String(repeating: "0f", count: 32)))
        let id = try #require(BuildID("00ff"))
        try check(BTFReceipt(buildID: id, digest: digest, bytes: 1, storedBytes: 2))
        try check(
            IngestReceipt(
                buildID: id, treeDigest: digest, files: 1, bytes: 2, newBlobs: 3, newBytes: 4, storedBytes: 5))
    }

    @Test func aLaterServersWordsAreUnknownAndNoFailure() throws {
        let text =
            #"{"time":1,"new":[],"verdicts":[{"artefact":"btf","answer":"dance","reason":"x","detail":"d","y":{}}]}"#
        let answer = try SightingAnswer(json: JSONTree(parsing: text.utf8))
        #expect(answer.verdicts.map(\.answer) == [.unknown] && answer.verdicts.map(\.reason) == [.unknown])
        #expect(try JSONDecoder().decode(SightingAnswer.self, from: Data(text.utf8)) == answer)
    }

    @Test(arguments: [
        "[]", "{}", #"{"verdicts":[],"time":"1"}"#, #"{"verdicts":{},"time":1}"#, #"{"verdicts":[1],"time":1}"#,
        #"{"verdicts":[{"artefact":"hat","answer":"have","reason":"known","detail":""}],"time":1}"#,
        #"{"verdicts":[],"time":1.5}"#, #"{"verdicts":[],"time":99999999999999999999}"#,
    ])
    func whatIsNoAnswerIsRefused(text: String) {
        #expect(throws: JSONTree.Malformed.self) { try SightingAnswer(json: JSONTree(parsing: text.utf8)) }
    }
}
