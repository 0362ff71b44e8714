import KHeaderTestSupport
import KernelHeaders
import Testing

@testable import HeaderStore

/// Random hosts, expiries, ends and failures, in any order: what must hold whatever happens.
@Suite struct UploadClaimsPropertyTests {
    private typealias Make = UploadClaimsTests

    /// A fleet, and what a store would make of it.
    private struct Fleet {
        struct Grant {
            var host: HostID
            var token: String
            /// When a byte or a question last renewed it.
            var renewed: Int
            var upload: Int?
            var isOver = false
        }

        var random: SeededGenerator
        let claims: ClaimsDesk
        var now: Int { claims.now }
        var held: [Int: HeldArtefact] = [:]
        var grants: [Int: [Grant]] = [:]
        /// Hosts whose digest was asked for and who have not said it, and since when.
        var asked: [Int: [HostID: Int]] = [:]
        var uploads: [Int: Int] = [:]
        var seen: Set<ArtefactVerdict.Reason> = []

        init(seed: Int, rules: UploadClaims.Rules) {
            random = SeededGenerator(seed: UInt64(seed))
            claims = ClaimsDesk(rules: rules)
        }

        static func key(_ kernel: Int) -> UploadClaims.Key {
            UploadClaims.Key(kernel: Make.kernel(kernel), artefact: .headers)
        }

        private mutating func one<Value>(of values: [Value]) -> Value {
            values[Int.random(in: values.indices, using: &random)]
        }

        mutating func step() throws {
            claims.now += Int.random(in: 0...20, using: &random)
            let kernel = Int.random(in: 0..<3, using: &random)
            let host = Int.random(in: 0..<12, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4: try ask(kernel, host)
            case 5:
                claims.withdraw(Make.host(host), Self.key(kernel))
                giveUp(kernel, Make.host(host))
                asked[kernel]?[Make.host(host)] = nil
            case 6...8: upload(kernel)
            default: if held[kernel] != nil, Int.random(in: 0..<20, using: &random) == 0 { held[kernel] = nil }
            }
        }

        mutating func ask(_ kernel: Int, _ host: Int, good: Bool = false) throws {
            let digest: UInt8? = good ? 1 : one(of: [1, 1, 2, nil])
            let origin: HeaderOrigin =
                good ? .sysfs : one(of: [.sysfs, .moduleFile, .sourceFolder])
            let id = Make.host(host)
            let before = held[kernel]
            let question = UploadClaims.Question(
                host: id, identity: KernelIdentity(buildID: Make.kernel(kernel)),
                offer: Make.offer(digest, origin), limit: 1000, held: before)
            let hasRoom = good || Int.random(in: 0..<10, using: &random) > 0
            let (verdict, opinion) = claims.answer(question, hasRoom: hasRoom)
            seen.insert(verdict.reason)
            #expect(verdict.answer != .unknown && verdict.reason != .unknown && !verdict.detail.isEmpty)
            #expect((verdict.answer == .upload) == (verdict.claim != nil))
            #expect((verdict.seconds != nil) == [.upload, .wait].contains(verdict.answer))
            #expect([.have, .conflict].contains(verdict.answer) == (before != nil))
            if let token = verdict.claim { try granted(kernel, id, token) }
            if verdict.answer == .refused { giveUp(kernel, id) }
            if let before { compared(kernel, id, before, verdict, opinion) }
        }

        private mutating func giveUp(_ kernel: Int, _ host: HostID) {
            for index in (grants[kernel] ?? []).indices where grants[kernel]?[index].host == host {
                grants[kernel]?[index].isOver = true
            }
        }

        private mutating func granted(_ kernel: Int, _ host: HostID, _ token: String) throws {
            var all = grants[kernel] ?? []
            for index in all.indices where all[index].token != token {
                let other = all[index]
                let isLive = !other.isOver && now < other.renewed + claims.rules.claimSeconds
                #expect(!isLive, "\(host) was told to upload, and \(other.host) is at it")
                all[index].isOver = true
            }
            if let index = all.firstIndex(where: { $0.token == token }) {
                #expect(all[index].host == host)
                #expect(!all[index].isOver)
                all[index].renewed = now
            } else {
                all.append(Grant(host: host, token: token, renewed: now))
            }
            grants[kernel] = all.suffix(20)
        }

        private mutating func compared(
            _ kernel: Int, _ host: HostID, _ before: HeldArtefact, _ verdict: ArtefactVerdict, _ opinion: Opinion?
        ) {
            // The claims of before are gone.
            grants[kernel] = []
            if verdict.wantsDigest == true {
                asked[kernel, default: [:]][host] = asked[kernel]?[host].flatMap { now < $0 + 120 ? $0 : nil } ?? now
                let outstanding = asked[kernel]?.values.count { now < $0 + claims.rules.claimSeconds } ?? 0
                #expect(before.opinions.count + outstanding <= claims.rules.opinions)
                #expect(host != before.uploader && !before.opinions.contains(host))
            }
            guard let opinion else { return }
            asked[kernel]?[host] = nil
            if opinion == .agrees {
                #expect(host != before.uploader && !before.agreeing.contains(host))
                held[kernel]?.agreeing.insert(host)
            }
            if host != before.uploader, before.opinions.count < claims.rules.opinions {
                held[kernel]?.opinions.insert(host)
            }
            #expect((held[kernel]?.agreeing.count ?? 0) <= claims.rules.opinions)
        }

        private mutating func upload(_ kernel: Int) {
            guard var all = grants[kernel], let index = all.indices.randomElement(using: &random) else { return }
            defer { if held[kernel] == nil { grants[kernel] = all } }
            let (grant, key) = (all[index], Self.key(kernel))
            guard let upload = grant.upload else {
                let begun = claims.begin(key, token: grant.token, now: now)
                #expect(begun == nil || begun?.host == grant.host)
                #expect(begun == nil || !grant.isOver)
                // What is held by now may have ended it; nothing else has.
                #expect(begun != nil || grant.isOver || held[kernel] != nil)
                if let begun { (all[index].upload, all[index].renewed) = (begun.upload, now) }
                return
            }
            if Bool.random(using: &random) {
                if claims.renew(key, token: grant.token, now: now) { all[index].renewed = now }
                return
            }
            all[index].upload = nil
            let digest = Make.digest(one(of: [1, 2]))
            let end: UploadClaims.End =
                one(of: [
                    .stored, .brokenOff,
                    .refused(Problem(.releaseMismatch, "x"), digest, KernelIdentity(buildID: key.kernel)),
                ])
            if case .stored = end {
                if held[kernel] == nil {
                    held[kernel] = HeldArtefact(digest: digest, standing: .kernelsOwn, uploader: grant.host)
                    asked[kernel] = nil
                }
                uploads[kernel, default: 0] += 1
            }
            claims.end(key, token: grant.token, upload: upload, host: grant.host, end, now: now)
            if !grant.isOver { all[index].isOver = true }
        }

        /// At most one of all tokens ever given counts.
        func requireOneToken() {
            for (kernel, all) in grants {
                #expect(all.count { claims.counts(Self.key(kernel), token: $0.token) } <= 1)
            }
        }
    }

    @Test func whateverHappens() throws {
        var seen: Set<ArtefactVerdict.Reason> = []
        for seed in 0..<20 {
            var fleet = Fleet(seed: seed, rules: UploadClaims.Rules())
            for step in 0..<3000 {
                try fleet.step()
                if step % 50 == 0 { fleet.requireOneToken() }
            }
            #expect(fleet.claims.remembered < 200)
            seen.formUnion(fleet.seen)
        }
        // All ways were gone.
        let all: [ArtefactVerdict.Reason] = [
            .first, .takenOver, .beingUploaded, .archiveRefused, .diskFull, .agreed, .digestDiffers, .notComparable,
            .secondOpinion, .known,
        ]
        #expect(Set(all).subtracting(seen) == [])
    }

    /// However bad it was: once hosts are honest and nothing breaks, each kernel is uploaded, and agreed on.
    @Test(arguments: 0..<10) func itComesToAnEnd(seed: Int) throws {
        var fleet = Fleet(seed: seed, rules: UploadClaims.Rules())
        for _ in 0..<500 { try fleet.step() }
        // Long enough for what is remembered, and for every claim.
        fleet.claims.now += fleet.claims.rules.refusalSeconds
        fleet.held = [:]
        for kernel in 0..<3 {
            try fleet.ask(kernel, 100, good: true)
            let grant = try #require(fleet.grants[kernel]?.last)
            #expect(grant.host == Make.host(100))
            let begun = try #require(fleet.claims.begin(Fleet.key(kernel), token: grant.token, now: fleet.now))
            for host in 101..<110 { try fleet.ask(kernel, host, good: true) }
            #expect(fleet.grants[kernel]?.last?.token == grant.token)
            fleet.held[kernel] = HeldArtefact(
                digest: Make.digest(1), standing: .kernelsOwn, uploader: Make.host(100))
            fleet.claims.end(
                Fleet.key(kernel), token: grant.token, upload: begun.upload, host: begun.host, .stored, now: fleet.now)
            for host in 100..<110 { try fleet.ask(kernel, host, good: true) }
            #expect(fleet.held[kernel]?.agreeing == [Make.host(101), Make.host(102)])
        }
    }
}
