import HeaderArchive
import KernelHeaders
import Testing

@testable import HeaderServer

@Suite struct ContentDigestTests {
    private static let digest = SHA256Hash.digest(of: Array("hello\n".utf8))
    /// `printf 'hello\n' | openssl dgst -sha256 -binary | base64`
    private static let base64 = "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="

    @Test func asOthersWriteIt() throws {
        #expect(Self.digest.base64 == Self.base64)
        for field in [
            "sha-256=:\(Self.base64):", "sha-256=:\(Self.base64):, sha-512=:AAAA:",
            "a=1,  sha-256=:\(Self.base64):;x=y",
            " sha-256=:\(Self.base64): ",
        ] {
            #expect(try ContentDigest.sha256(field) == Self.digest)
        }
    }

    @Test(arguments: ["", "sha-512=:AAAA:", "md5=:AAAA:", "unixsum=1"])
    func others(_ field: String) throws {
        #expect(try ContentDigest.sha256(field) == nil)
    }

    @Test(arguments: [
        "sha-256", "sha-256=", "sha-256=1", "sha-256=\"x\"", "sha-256=::", "sha-256=:AAAA:", "sha-256=:*:",
        "sha-256=:AA",
        "SHA-256=:AAAA:", ",", "sha-256=:\(base64):,", "é",
    ])
    func malformed(_ field: String) {
        #expect { try ContentDigest.sha256(field) } throws: { ($0 as? Problem)?.code == .requestMalformed }
    }
}
