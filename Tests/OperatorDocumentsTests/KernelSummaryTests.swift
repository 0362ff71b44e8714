import FoundationEssentials
import KernelHeaders
import OperatorDocuments
import Testing

@Suite struct KernelSummaryTests {
    @Test func identityStandsBesideTheOtherMembers() throws {
        let summary = try Self.example()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let entry = Self.entry(summary)
        let json = try encoder.encode(KernelList(kernels: [entry], next: nil))
        let expected =
            #"{"kernels":[{"architecture":"x86_64","buildID":"00ff","bytes":45,"conflicts":0,"files":6,"firstSeen":1,"#
            + #""hasBTF":true,"hasPCH":false,"hosts":0,"lastSeen":2,"release":"6.1.0","source":"import","treeDigest":"\#(summary.treeDigest)","#
            + #""versionLine":"6.1.0 (a@b) #1 SMP"}]}"#
        #expect(String(decoding: json, as: UTF8.self) == expected)
        #expect(try JSONDecoder().decode(KernelList.self, from: json).kernels == [entry])
        // What older programs read.
        var counted = summary
        counted.hosts = 0
        #expect(try JSONDecoder().decode([String: [KernelSummary]].self, from: json)["kernels"] == [counted])
    }

    @Test func labelsMayBeMissing() throws {
        var summary = try Self.example()
        summary.identity = KernelIdentity(buildID: summary.identity.buildID)
        let list = KernelList(kernels: [Self.entry(summary)], next: "cursor")
        let json = try JSONEncoder().encode(list)
        #expect(!String(decoding: json, as: UTF8.self).contains("release"))
        #expect(try JSONDecoder().decode(KernelList.self, from: json) == list)
    }

    @Test func btfIsThereOnlyIfTheServerHasIt() throws {
        var summary = try Self.example()
        #expect(!String(decoding: try JSONEncoder().encode(summary), as: UTF8.self).contains("btfBytes"))
        summary.btfBytes = 5_515_236
        let json = try JSONEncoder().encode(summary)
        #expect(String(decoding: json, as: UTF8.self).contains(#""btfBytes":5515236"#))
        #expect(try JSONDecoder().decode(KernelSummary.self, from: json) == summary)
    }

    @Test func aKernelWithoutHeadersIsAnEntry() throws {
        var entry = Self.entry(try Self.example())
        entry.headers = nil
        entry.pin = KernelMark(time: 3, reason: "golden")
        entry.purge = KernelMark(time: 4)
        let json = try JSONEncoder().encode(entry)
        #expect(!String(decoding: json, as: UTF8.self).contains("treeDigest"))
        #expect(try JSONDecoder().decode(KernelEntry.self, from: json) == entry)
        #expect(entry.summary == nil)
        let detail = KernelDetail(entry: entry, artefacts: [KernelArtefact(.btf, path: "/x", bytes: 1)], absence: "why")
        #expect(try JSONDecoder().decode(KernelDetail.self, from: JSONEncoder().encode(detail)) == detail)
    }

    /// From a server that is newer than this program.
    @Test func aSourceThatIsNotKnownIsTheWeakest() throws {
        let json = String(decoding: try JSONEncoder().encode(Self.example()), as: UTF8.self)
        let newer = json.replacing(#""source":"import""#, with: #""source":"builder","rank":7"#)
        let summary = try JSONDecoder().decode(KernelSummary.self, from: Data(newer.utf8))
        #expect(summary.source == .unknown)
        #expect(HeaderSource.allCases.allSatisfy { summary.source < $0 })
    }

    private static func entry(_ summary: KernelSummary) -> KernelEntry {
        KernelEntry(
            identity: summary.identity,
            headers: .init(
                source: summary.source, treeDigest: summary.treeDigest, files: summary.files, bytes: summary.bytes),
            firstSeen: summary.firstSeen, lastSeen: summary.lastSeen, hosts: 0, conflicts: summary.conflicts)
    }

    private static func example() throws -> KernelSummary {
        let identity = KernelIdentity(
            buildID: try #require(BuildID("00ff")), release: "6.1.0", versionLine: "6.1.0 (a@b) #1 SMP",
            architecture: Architecture(machine: "x86_64"), hasBTF: true)
        return KernelSummary(
            identity: identity, source: .import,
            treeDigest: try #require(Digest(String(repeating: "ab", count: 32))), files: 6, bytes: 45, firstSeen: 1,
            lastSeen: 2, conflicts: 0)
    }
}
