import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

@Suite struct SHA256HashTests {
    /// FIPS 180-4's examples (NIST, "SHA-256 Example").
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func knownDigests(_ text: String, _ digest: String) {
        #expect(SHA256Hash.digest(of: Array(text.utf8)).description == digest)
    }

    @Test func agreesWithTheTool() throws {
        let bytes = SmallKernel().tar
        let text = try ShellCommand("sha256sum").run(bytes).text
        #expect(text == "\(SHA256Hash.digest(of: bytes))  -\n")
    }

    @Test func piecesDoNotMatter() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        var hash = SHA256Hash()
        for index in bytes.indices { bytes[index..<index + 1].withUnsafeBytes { hash.update($0) } }
        #expect(hash.digest() == SHA256Hash.digest(of: bytes))
        #expect(hash.digest() == hash.digest(), "asking does not end it")
    }

    /// Keys around a block's 64 bytes, the longest that is not hashed itself.
    @Test(arguments: [1, 32, 63, 64, 65, 200])
    func authenticationCodesAreOpensslS(keyLength: Int) throws {
        let key = (0..<keyLength).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
        let bytes = Array("what is authenticated".utf8)
        let hexadecimal = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let text = try ShellCommand(
            "openssl", "dgst", "-r", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:\(hexadecimal)"
        )
        .run(bytes).text
        #expect(text.hasPrefix("\(SHA256Hash.authenticationCode(of: bytes, key: key)) "))
    }
}
