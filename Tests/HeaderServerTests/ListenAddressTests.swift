import HeaderServer
import Testing

@Suite struct ListenAddressTests {
    /// A byte less than a socket's path may have.
    private static let long = String(repeating: "x", count: 106)

    @Test(arguments: [
        ("127.0.0.1:8003", ListenAddress.tcp(host: "127.0.0.1", port: 8003), "http://127.0.0.1:8003"),
        ("localhost:0", .tcp(host: "localhost", port: 0), "http://localhost:0"),
        ("0.0.0.0:65535", .tcp(host: "0.0.0.0", port: 65535), "http://0.0.0.0:65535"),
        ("[::1]:80", .tcp(host: "::1", port: 80), "http://[::1]:80"),
        ("[::]:80", .tcp(host: "::", port: 80), "http://[::]:80"),
        ("unix:/run/kheaderd/socket", .unix(path: "/run/kheaderd/socket"), "unix:/run/kheaderd/socket"),
        ("unix:a", .unix(path: "a"), "unix:a"),
        ("unix:/\(long)", .unix(path: "/\(long)"), "unix:/\(long)"),
    ])
    func addresses(_ text: String, _ address: ListenAddress, _ description: String) {
        #expect(ListenAddress(text) == address)
        #expect(address.description == description)
    }

    @Test(arguments: [
        "", ":", ":80", "x", "x:", "x:y", "x:65536", "x:-1", "x:+80", "x: 80", "::1:80", "[::1]", "[]:80", "unix:",
        "x:8\u{301}",
        "x:٨", "8003", "unix://\(long)",
    ])
    func others(_ text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test func standard() {
        #expect(ListenAddress("127.0.0.1:8003") == .standard)
    }
}
