internal import KHeaderTestSupport
internal import KernelHeaders
@testable internal import KernelProbe
internal import Testing

@Suite struct ELFNotesTests {
    @Test(arguments: [false, true]) func findsTheBuildIDAmongOthers(isBigEndian: Bool) throws {
        let notes = try ELFNotes(NoteRun.kernel(isBigEndian: isBigEndian), isBigEndian: isBigEndian)
        #expect(notes.notes.map(\.owner) == ["Xen", "Xen", "GNU", "Linux"].map { Array($0.utf8) })
        #expect(try notes.buildID() == BuildID(bytes: NoteRun.buildID))
    }

    @Test func takesTheAlignmentOf8ThatSomeSectionsHave() throws {
        let run = NoteRun.kernel(alignment: 8)
        #expect(try ELFNotes(run, isBigEndian: false, alignment: 8).buildID() == BuildID(bytes: NoteRun.buildID))
    }

    @Test func theOrderDoesNotMatter() throws {
        var run = NoteRun()
        run.add("GNU", 3, NoteRun.buildID)
        run.add("GNU", 5, [0, 0, 0, 0])
        run.add("Linux", 3, [9])
        #expect(try ELFNotes(run.bytes, isBigEndian: false).buildID() == BuildID(bytes: NoteRun.buildID))
    }

    @Test func noBuildIDIsNil() throws {
        var run = NoteRun()
        run.add("Xen", 3, NoteRun.buildID)
        run.add("GNU", 1, NoteRun.buildID)
        run.add("GNUX", 3, NoteRun.buildID)
        #expect(try ELFNotes(run.bytes, isBigEndian: false).buildID() == nil)
        #expect(try ELFNotes([], isBigEndian: false).buildID() == nil)
    }

    @Test func theLastPaddingMayBeMissing() throws {
        var run = NoteRun()
        run.add("GNU", 3, [1, 2, 3])
        #expect(try ELFNotes(run.bytes.dropLast(), isBigEndian: false).buildID()?.description == "010203")
    }

    @Test func oneIDTwiceIsOneID() throws {
        let run = NoteRun.kernel() + NoteRun.kernel()
        #expect(try ELFNotes(run, isBigEndian: false).buildID() == BuildID(bytes: NoteRun.buildID))
    }

    @Test func twoIDsAreRefused() throws {
        let notes = try ELFNotes(NoteRun.kernel() + NoteRun.kernel([1, 2, 3, 4]), isBigEndian: false)
        #expect(refusal { _ = try notes.buildID() } == .severalBuildIDs)
    }

    @Test(arguments: [0, 65]) func aBuildIDOfAnImpossibleLengthIsRefused(length: Int) throws {
        let notes = try ELFNotes(NoteRun.kernel([UInt8](repeating: 7, count: length)), isBigEndian: false)
        #expect(refusal { _ = try notes.buildID() } == .notesMalformed)
    }

    @Test func aRunCutInsideANoteIsRefused() throws {
        let run = NoteRun.kernel()
        var ends: Set<Int> = []
        var part = NoteRun()
        for (owner, type, length) in [("Xen", 6, 6), ("Xen", 3, 3), ("GNU", 3, 20), ("Linux", 0x100, 14)] {
            ends.insert(part.bytes.count)
            part.add(owner, UInt32(type), [UInt8](repeating: 1, count: length))
        }
        ends.insert(run.count)
        for length in 0..<run.count {
            let cut = Array(run.prefix(length))
            // A run may end between notes, and padding that is missing at the end is no damage.
            let mayEnd =
                ends.contains(length) || ends.contains { length < $0 && run[length..<$0].allSatisfy { $0 == 0 } }
            if !mayEnd {
                #expect(refusal { _ = try ELFNotes(cut, isBigEndian: false) } == .notesMalformed, "\(length)")
            }
        }
    }

    @Test func lengthsThatOverflowAreRefused() {
        for (name, descriptor) in [(UInt32.max, 0), (0, UInt32.max), (.max, .max), (0x8000_0000, 0x8000_0000)] {
            var run: [UInt8] = []
            for word in [name, descriptor, 3] { run.appendInteger(word) }
            #expect(refusal { _ = try ELFNotes(run + [0, 0, 0, 0], isBigEndian: false) } == .notesMalformed)
        }
    }

    @Test func mutatedNotesDoNotTrap() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let run = NoteRun.kernel().mutated(&generator)
            _ = try? ELFNotes(run, isBigEndian: false, alignment: Bool.random(using: &generator) ? 4 : 8).buildID()
        }
    }
}
