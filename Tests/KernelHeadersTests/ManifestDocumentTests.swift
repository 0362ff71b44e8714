import FoundationEssentials
import HeaderArchive
import KernelHeaders
import Testing

@Suite struct ManifestDocumentTests {
    @Test func goesThroughJSONUnchanged() throws {
        let manifest = try TreeManifestTests.example()
        let document = ManifestDocument(manifest, digest: manifest.digest)
        let json = try JSONEncoder().encode(document)
        let decoded = try JSONDecoder().decode(ManifestDocument.self, from: json)
        #expect(decoded == document)
        #expect(decoded.manifest == manifest)
        #expect(decoded.manifest?.digest == decoded.treeDigest)
    }

    @Test func hasTheMembersThatItsReadersKnow() throws {
        let manifest = try TreeManifestTests.example()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = try encoder.encode(ManifestDocument(manifest, digest: manifest.digest))
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        let expected =
            #"{"bytes":3,"entries":["#
            + #"{"digest":"\#(abc)","executable":true,"kind":"file","path":"arch/x86/include/asm/b.h","size":3},"#
            + #"{"digest":"\#(empty)","executable":false,"kind":"file","path":"include/a.h","size":0},"#
            + #"{"kind":"link","path":"include/c.h","target":"a.h"}],"#
            + #""files":2,"treeDigest":"\#(manifest.digest)","version":1}"#
        #expect(String(decoding: json, as: UTF8.self) == expected)
    }

    @Test func namesKeepTheirNormalForm() throws {
        let path = try TreeManifestTests.path("include/cafe\u{301}.h")
        let manifest = TreeManifest(entries: [.init(path: path, kind: .link(target: "caf\u{E9}.h"))])
        let json = try JSONEncoder().encode(ManifestDocument(manifest, digest: manifest.digest))
        let decoded = try JSONDecoder().decode(ManifestDocument.self, from: json)
        #expect(decoded.manifest?.digest == manifest.digest)
    }

    /// A document that a hostile server may send.
    @Test(arguments: [
        #"{"path":"a.h","kind":"file","digest":"DIGEST","executable":false}"#,
        #"{"path":"a.h","kind":"file","size":1,"executable":false}"#,
        #"{"path":"a.h","kind":"file","size":-1,"digest":"DIGEST"}"#,
        #"{"path":"a.h","kind":"link"}"#,
        #"{"path":"a.h","kind":"device","size":1,"digest":"DIGEST","target":"x"}"#,
        #"{"path":"a.h","kind":"link","target":"x"},{"path":"a.h","kind":"link","target":"x"}"#,
        #"{"path":"a.h","kind":"file","size":9223372036854775807,"digest":"DIGEST"},"#
            + #"{"path":"b.h","kind":"file","size":1,"digest":"DIGEST"}"#,
    ])
    func isNoManifestIfAnEntryIsWrong(_ entries: String) throws {
        #expect(try Self.document(entries).manifest == nil)
    }

    @Test(arguments: [
        #"{"path":"../a.h","kind":"link","target":"x"}"#, #"{"path":"/a.h","kind":"link","target":"x"}"#,
        #"{"path":"a.h","kind":"file","size":1,"digest":"00"}"#, #"{"kind":"link","target":"x"}"#,
    ])
    func isNotReadIfAValueIsNone(_ entries: String) {
        #expect(throws: DecodingError.self) { try Self.document(entries) }
    }

    private static func document(_ entries: String) throws -> ManifestDocument {
        let digest = String(repeating: "ab", count: 32)
        let json = #"{"version":1,"treeDigest":"\#(digest)","files":1,"bytes":1,"entries":[\#(entries)]}"#
        return try JSONDecoder().decode(ManifestDocument.self, from: Data(json.replacing("DIGEST", with: digest).utf8))
    }
}
