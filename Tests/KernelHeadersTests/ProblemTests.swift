import FoundationEssentials
import KernelHeaders
import Testing

@Suite struct ProblemTests {
    @Test func isAProblemDocumentInJSON() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let problem = Problem(.archivePathAbsolute, "Make it with relative paths.", requestID: "42")
        let json = try encoder.encode(problem)
        let expected =
            #"{"code":"archive-path-absolute","detail":"Make it with relative paths.","requestID":"42","#
            + #""status":422,"title":"Archive path absolute","type":"about:blank"}"#
        #expect(String(decoding: json, as: UTF8.self) == expected)
        #expect(try JSONDecoder().decode(Problem.self, from: json) == problem)
        #expect(Problem.mediaType == "application/problem+json")
    }

    @Test func leavesOutTheRequestIDThatItHasNot() throws {
        let json = try JSONEncoder().encode(Problem(.diskFull, "No space."))
        #expect(!String(decoding: json, as: UTF8.self).contains("requestID"))
        #expect(try JSONDecoder().decode(Problem.self, from: json).requestID == nil)
    }

    @Test func saysTheSentenceAndTheCode() {
        #expect("\(Problem(.kernelUnknown, "Nobody has seen it."))" == "Nobody has seen it. (kernel-unknown)")
    }
}
