import Testing

@testable import HeaderServer

@Suite struct ContentCodingsTests {
    @Test(arguments: [
        "zstd", "ZSTD", "gzip, zstd", "gzip;q=1, zstd;q=0.001", " zstd ; q=1.0", "br,zstd;q=0.5,gzip", "zstd;x=y",
    ])
    func taken(_ field: String) { #expect(ContentCodings(field).accepts("zstd")) }

    @Test(arguments: ["", "gzip", "*", "zstd;q=0", "zstd; q=0.0", "zstd;Q=0", "zstdx", ";zstd", ",,;;"])
    func notTaken(_ field: String) { #expect(!ContentCodings(field).accepts("zstd")) }

    @Test func noFieldTakesNothing() { #expect(!ContentCodings(nil).accepts("zstd")) }
}
