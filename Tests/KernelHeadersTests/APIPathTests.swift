import KernelHeaders
import Testing

@Suite struct APIPathTests {
    @Test func pathsAreThoseOfTheDesign() throws {
        let id = try #require(BuildID("00ff"))
        let tree = try #require(Digest(String(repeating: "ab", count: 32)))
        #expect(APIPath.kernels == "/v1/kernels")
        #expect(APIPath.store == "/v1/store")
        #expect(APIPath.kernel(id) == "/v1/kernels/00ff")
        #expect(APIPath.headers(id) == "/v1/kernels/00ff/headers")
        #expect(APIPath.kernels(release: "6.1.0+a b") == "/v1/kernels?release=6.1.0%2Ba%20b")
        #expect(APIPath.btf(id) == "/v1/kernels/00ff/btf")
        #expect(APIPath.btfSection(id) == "/buildid/00ff/section/.BTF")
        let path = try #require(HeaderPath("include/a b/%25.h"))
        #expect(APIPath.source(id, path) == "/buildid/00ff/source/include/a%20b/%2525.h")
        #expect(APIPath.manifest(id) == "/buildid/00ff/manifest.json")
        let names = ["headers.tar.zst", "headers.tar.xz", "headers.tar.gz", "headers.tar"]
        #expect(BundleFormat.allCases.map { APIPath.bundle(id, $0) } == names.map { "/buildid/00ff/\($0)" })
        #expect(BundleFormat.allCases.map { APIPath.bundle(tree: tree, $0) } == names.map { "/trees/\(tree)/\($0)" })
    }

    @Test func queriesLeaveOutWhatIsNil() {
        #expect(APIPath.query([]) == "")
        #expect(APIPath.query([("release", nil), ("cursor", nil)]) == "")
        #expect(APIPath.query([("release", "6.1.0"), ("cursor", nil), ("limit", "5")]) == "?release=6.1.0&limit=5")
        #expect(APIPath.query([("release", "")]) == "?release=")
    }

    @Test(arguments: [
        ("6.1.0-56_amd64~1", "6.1.0-56_amd64~1"), ("a b", "a%20b"), ("a+b&c=d", "a%2Bb%26c%3Dd"), ("%", "%25"),
        ("#1 SMP/x?", "%231%20SMP%2Fx%3F"), ("é", "%C3%A9"), ("e\u{301}", "e%CC%81"), ("\r\n\0", "%0D%0A%00"),
    ])
    func valuesAreEncodedButForUnreservedCharacters(_ value: String, _ encoded: String) {
        #expect(APIPath.query([("v", value)]) == "?v=\(encoded)")
    }
}
