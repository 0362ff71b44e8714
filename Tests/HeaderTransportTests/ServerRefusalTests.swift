import KernelHeaders
import Testing

@testable import HeaderTransport

@Suite struct ServerRefusalTests {
    private func refusal(_ status: Int, _ mediaType: String?, _ body: String) -> ServerRefusal {
        ServerRefusal(status: status, mediaType: mediaType, body: Array(body.utf8), server: "http://server")
    }

    @Test func aProblemDocumentIsQuoted() {
        let refusal = refusal(
            409, Problem.mediaType,
            #"{"type":"about:blank","title":"Tree conflict","status":409,"detail":"Another tree is there.","#
                + #""code":"tree-conflict","requestID":"r1"}"#)
        #expect(refusal.problemCode == .treeConflict)
        #expect(refusal.description == "Another tree is there. (tree-conflict)")
        #expect(ExitStatus(refusal) == .refused)
    }

    @Test func aServersFailureHasItsRequest() {
        let refusal = refusal(500, Problem.mediaType, #"{"detail":"No.","code":"internal-error","requestID":"r1"}"#)
        #expect(refusal.description == "No. The server's log has it as request r1. (internal-error)")
    }

    @Test func aNewerServersCodeDoesNotHideItsSentence() {
        let refusal = refusal(422, Problem.mediaType, #"{"detail":"Too quantum.","code":"archive-quantum","more":[1]}"#)
        #expect(refusal.problemCode == nil)
        #expect(refusal.description == "Too quantum. (archive-quantum)")
    }

    @Test(arguments: [
        (Problem.mediaType, "{"), (Problem.mediaType, "[]"), (Problem.mediaType, "{}"), (Problem.mediaType, ""),
        ("text/html", "<html>"), (nil, ""),
    ])
    func anythingElseIsTheStatus(mediaType: String?, body: String) {
        #expect(refusal(502, mediaType, body).description == "The server http://server answered 502. (http-502)")
    }
}

@Suite struct ExitStatusTests {
    private func refusal(_ status: Int) -> ServerRefusal {
        ServerRefusal(status: status, mediaType: nil, body: [], server: "s")
    }

    @Test func theDocumentedNumbersHold() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
    }

    @Test func errorsHaveTheirCodes() {
        #expect(ExitStatus(refusal(404)) == .notFound)
        for status in [400, 401, 403, 409, 413, 415, 422, 429, 500, 507] {
            #expect(ExitStatus(refusal(status)) == .refused)
        }
        for status in [502, 503, 504] { #expect(ExitStatus(refusal(status)) == .unreachable) }
        #expect(ExitStatus(TransportError.unreachable(server: "s", reason: "r", isTransient: true)) == .unreachable)
        #expect(ExitStatus(TransportError.brokenOff(server: "s", reason: "r", isTransient: true)) == .unreachable)
        #expect(ExitStatus(TransportError.badAnswer(server: "s", what: "w")) == .failed)
        #expect(ExitStatus(Problem(.kernelHasNoHeaders, "No module.")) == .notFound)
        #expect(ExitStatus(Problem(.archiveCorrupt, "Damaged.")) == .failed)
        #expect(ExitStatus(TreeFetchError.destinationTaken("/d")) == .failed)
        #expect(ExitStatus(CancellationError()) == .failed)
    }
}
