import HTTPTypes
import NIOHTTP1
import NIOHTTPTypesHTTP1
import Testing

@testable import HeaderServer

/// What the codec makes of a request: the same as the library's that it stands for, but for what an old client gets.
@Suite struct RequestCodecTests {
    @Test(arguments: [
        "/", "//x/y", "/a:b//c", "/x?y=http://z/", "/%2f%", "/a b", "/ä", "/x#y", "*", "", "x", "http://h",
        "http://h/p?q=1", "http://h?q", "https://h:1//p", "h:80", ":",
    ])
    func aRequestIsTheLibrarys(target: String) throws {
        for method in [HTTPMethod.GET, .POST, .OPTIONS, .RAW(value: "PURGE")] {
            let head = HTTPRequestHead(
                version: .http1_1, method: method, uri: target,
                headers: ["host": "h", "Accept": "a", "accept": "b", "cookie": "x; y", "Connection": "close"])
            let librarys = try HTTPRequest(head, secure: false, splitCookie: false)
            #expect(try RequestCodec.request(head) == librarys)
            #expect(librarys.headerFields[.wantReprDigest] == nil)
        }
    }

    @Test func aClientWithoutChunksGetsNothingOfUnknownLength() throws {
        for (version, digest) in [(HTTPVersion.http1_0, "sha-256=10"), (.http1_1, nil)] {
            let head = HTTPRequestHead(version: version, method: .GET, uri: "/x")
            #expect(try RequestCodec.request(head).headerFields[.wantReprDigest] == digest)
        }
    }

    @Test func aMethodThatIsNoTokenIsRefused() {
        let head = HTTPRequestHead(version: .http1_1, method: .RAW(value: "A B"), uri: "/")
        #expect(throws: HTTP1TypeConversionError.invalidMethod) { try RequestCodec.request(head) }
    }
}
