import FoundationEssentials
import KernelHeaders
import Testing

@Suite struct HeaderSourceTests {
    @Test func theOrderIsThatOfTrust() {
        #expect(HeaderSource.allCases == [.agent, .agreed, .push, .import])
        let all = [HeaderSource.unknown] + HeaderSource.allCases
        for (position, one) in all.enumerated() {
            for (other, two) in all.enumerated() { #expect((one < two) == (position < other), "\(one) \(two)") }
        }
    }

    @Test(arguments: [("agent", HeaderSource.agent), ("import", .import), ("builder", .unknown), ("", .unknown)])
    func whatHasNoNameHereIsUnknown(text: String, source: HeaderSource) throws {
        #expect(try JSONDecoder().decode([HeaderSource].self, from: Data("[\"\(text)\"]".utf8)) == [source])
    }

    @Test func whatIsNoTextIsNoSource() {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([HeaderSource].self, from: Data("[1]".utf8)) }
    }
}
