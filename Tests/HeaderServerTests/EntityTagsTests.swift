import Testing

@testable import HeaderServer

@Suite struct EntityTagsTests {
    private static let tag = "\"0123\""

    @Test(arguments: [
        tag, "*", " * ", "\"x\", \(tag)", "\(tag),\"x\"", "\"a,b\" , \(tag)", "\(tag), W/\(tag)", "\"\",\(tag)",
    ])
    func both(_ field: String) {
        #expect(EntityTags(field).matchStrongly(Self.tag))
        #expect(EntityTags(field).matchWeakly(Self.tag))
    }

    @Test(arguments: ["W/\(tag)", "\"x\", W/\(tag)", "\"x\",W/\(tag)"])
    func weakOnly(_ field: String) {
        #expect(!EntityTags(field).matchStrongly(Self.tag))
        #expect(EntityTags(field).matchWeakly(Self.tag))
    }

    @Test(arguments: [
        "", "0123", "\"0123", "0123\"", "\"\"", "\"012\"", "\"01234\"", "\"a, *, b\"", "\"*\"", "**", "*, \"x\"",
        "\" \(tag)",
    ])
    func neither(_ field: String) {
        #expect(!EntityTags(field).matchStrongly(Self.tag))
        #expect(!EntityTags(field).matchWeakly(Self.tag))
    }
}
