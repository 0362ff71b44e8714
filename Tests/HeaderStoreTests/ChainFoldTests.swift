import Testing

@testable import HeaderStore

@Suite struct ChainFoldTests {
    /// What is new leans on a link of a chain.
    ///
    /// - Parameters:
    ///   - lengths: of the links, the oldest first.
    ///   - dear: links that are too much to read.
    private func base(_ lengths: [Int], maximumDepth: Int = 100, dear: Set<Int> = [], unreadable: Int? = nil) -> Int? {
        ChainFold.base(from: lengths.count - 1, maximumDepth: maximumDepth) { link in
            link == unreadable
                ? nil : ChainFold.Link(depth: link, compressedLength: lengths[link], base: link > 0 ? link - 1 : nil)
        } base: { link in
            dear.contains(link) ? nil : link
        }
    }

    @Test func theNewestIfItMayBe() {
        #expect(base([100, 1, 1, 1]) == 3)
        #expect(base([5]) == 0)
    }

    @Test func theLastLinksGiveWayAsSoonAsTheOneBeforeThemOutweighsThem() {
        #expect(base([100, 9, 4, 3, 2], maximumDepth: 4) == 3)
        #expect(base([100, 9, 1, 3, 2], maximumDepth: 4) == 3)
        #expect(base([100, 9, 1, 1, 2], maximumDepth: 4) == 1)
        #expect(base([100, 9, 8, 7, 6], maximumDepth: 2) == 0)
        // The oldest in any case.
        #expect(base([1, 9, 8, 7, 6], maximumDepth: 1) == 0)
    }

    @Test func whatIsTooMuchToReadIsSkipped() {
        #expect(base([100, 9, 4, 3, 2], dear: [4]) == 3)
        #expect(base([100, 9, 4, 3, 2], dear: [4, 3]) == 1)
        #expect(base([100, 9, 4, 3, 2], dear: [4, 3, 2, 1, 0]) == nil)
    }

    @Test func nothingBelowWhatCantBeRead() {
        #expect(base([100, 9, 4], maximumDepth: 2, unreadable: 1) == nil)
    }
}
