import KernelHeaders
import Testing

@testable import HeaderTransport

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:8003", "http://127.0.0.1:8003/v1/store", true),
        ("http://127.0.0.1:8003/", "http://127.0.0.1:8003/v1/store", true),
        ("https://headers.example", "https://headers.example/v1/store", false),
        ("https://headers.example/base/path//", "https://headers.example/base/path/v1/store", false),
        ("http://[::1]:8003", "http://[::1]:8003/v1/store", true),
        ("http://localhost", "http://localhost/v1/store", true),
    ])
    func urlsKeepTheirBasePath(text: String, url: String, isLocal: Bool) throws {
        let address = try ServerAddress(text)
        #expect(address.url(APIPath.store) == url)
        #expect(address.isLocal == isLocal)
        #expect(address.socketPath == nil)
        #expect("\(address)" == text)
    }

    @Test func aUnixSocketIsAPath() throws {
        let address = try ServerAddress("unix:/run/kheaderd.sock")
        #expect(address.socketPath == "/run/kheaderd.sock")
        #expect(address.isLocal)
        #expect(address.url("/x") == "http://localhost/x")
    }

    @Test(arguments: [
        "", "headers.example", "headers.example:8003", "ftp://headers.example", "file:///etc/passwd", "http://",
        "http://a b", "http://host:99999999", "unix:relative.sock", "unix:", "http://host/?query=1",
        "http://host/#part",
    ])
    func whatIsNoServerIsRefused(text: String) {
        #expect { try ServerAddress(text) } throws: { ($0 as? Problem)?.code == .parameterMalformed }
    }

    @Test func aSocketPathHasALimit() throws {
        let longest = "unix:/" + String(repeating: "s", count: ServerAddress.maximumSocketPath - 1)
        _ = try ServerAddress(longest)
        #expect(throws: Problem.self) { try ServerAddress(longest + "s") }
    }

    @Test func aPasswordIsRefusedAndNotRepeated() {
        #expect { try ServerAddress("http://me:secret@host") } throws: { error in
            (error as? Problem)?.code == .parameterMalformed && !"\(error)".contains("secret")
        }
    }

    @Test func optionsComeBeforeTheVariableAndThatBeforeTheStandard() throws {
        let named = try ServerAddress.list(options: ["http://a", "http://b"], variable: "http://c")
        #expect(named.map(\.description) == ["http://a", "http://b"])
        let variable = try ServerAddress.list(options: [], variable: "  http://c  unix:/s ")
        #expect(variable.map(\.description) == ["http://c", "unix:/s"])
        for blank in [nil, "", "  "] {
            #expect(try ServerAddress.list(options: [], variable: blank).map(\.description) == [ServerAddress.standard])
        }
        #expect(throws: Problem.self) { try ServerAddress.list(options: [], variable: "http://c nonsense") }
    }
}
