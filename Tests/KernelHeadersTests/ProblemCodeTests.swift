import KernelHeaders
import Testing

@Suite struct ProblemCodeTests {
    @Test(arguments: ProblemCode.allCases)
    func hasAStatusATitleAndAStableForm(_ code: ProblemCode) {
        #expect((400...599).contains(code.status))
        #expect(code.rawValue.utf8.allSatisfy { ($0 >= 97 && $0 <= 122) || $0 == 45 || (48...57).contains($0) })
        #expect(code.title.first?.isUppercase == true)
        #expect(!code.title.contains("-") || code.title.contains("UTF-8"))
        #expect(ProblemCode(rawValue: code.rawValue) == code)
    }

    @Test func noTwoAreTheSame() {
        #expect(Set(ProblemCode.allCases.map(\.rawValue)).count == ProblemCode.allCases.count)
        #expect(Set(ProblemCode.allCases.map(\.title)).count == ProblemCode.allCases.count)
    }

    /// Promise 5: an archive is refused with 422, an unknown format with 415.
    @Test func archivesAreRefusedWith422() {
        for code in ProblemCode.allCases where code.rawValue.hasPrefix("archive-") {
            #expect(code.status == (code == .archiveFormatUnknown ? 415 : 422), "\(code)")
        }
    }

    @Test(arguments: [
        (ProblemCode.buildIDMalformed, 400, "Build ID malformed"), (.kernelUnknown, 404, "Kernel unknown"),
        (.methodNotAllowed, 405, "Method not allowed"), (.treeConflict, 409, "Tree conflict"),
        (.preconditionFailed, 412, "Precondition failed"), (.uploadTooLarge, 413, "Upload too large"),
        (.rangeNotSatisfiable, 416, "Range not satisfiable"), (.archivePathNotUTF8, 422, "Archive path not UTF-8"),
        (.archiveFIFO, 422, "Archive FIFO"), (.archivePathContainsNUL, 422, "Archive path contains NUL"),
        (.internalError, 500, "Internal error"), (.diskFull, 507, "Disk full"),
    ])
    func statusAndTitleFollowTheDesign(_ code: ProblemCode, _ status: Int, _ title: String) {
        #expect(code.status == status)
        #expect(code.title == title)
    }
}
