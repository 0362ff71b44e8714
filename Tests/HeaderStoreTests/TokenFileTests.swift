import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Synchronization
import Testing

@testable import HeaderStore

@Suite struct TokenFileTests {
    @Test func aTokenIsItsHashAndNotItsSecret() throws {
        try withTemporaryFolder { folder in
            let file = TokenFile(state: folder.path("store"))
            #expect(try file.read() == [])
            let made = try file.create(role: .agent, label: "rack 7", expires: 2000, now: 1000)
            #expect(try #/khd_agent_[0-9a-f]{64}/#.wholeMatch(in: made.secret) != nil)
            #expect(made.token.digest == SHA256Hash.digest(of: Array(made.secret.utf8)))
            #expect("\(made.token.digest)".hasPrefix(made.token.id))
            #expect(try file.read() == [made.token])
            let text = String(decoding: try folder.read("store/tokens.json"), as: UTF8.self)
            #expect(!text.contains(made.secret) && !text.contains(made.secret.suffix(64)))
            #expect(text.contains("\(made.token.digest)"))
            var status = stat()
            #expect(stat(file.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(folder.names(in: "store") == ["tokens.json"])
            // Another file each time; what a killed writer left is in nobody's way.
            try folder.write("half".utf8, to: "store/tokens.json.new")
            let other = try file.create(role: .agent, label: "rack 7", expires: nil, now: 1000)
            #expect(other.secret != made.secret)
            #expect(try file.read() == [made.token, other.token])
            #expect(folder.names(in: "store") == ["tokens.json"])
        }
    }

    @Test func whatATokenIsAtATime() {
        let digest = SHA256Hash.digest(of: [])
        var token = TokenRecord(
            id: "x", role: .client, label: "x", created: 1, expires: 10, revoked: nil, digest: digest)
        #expect([9, 10, 11].map { token.state(at: $0) } == [.active, .expired, .expired])
        token.revoked = 5
        #expect(token.state(at: 9) == .revoked)
        let lasting = TokenRecord(id: "x", role: .client, label: "x", created: 1, expires: nil, digest: digest)
        #expect(lasting.state(at: .max) == .active)
    }

    @Test func revokingIsOnceAndOfOne() throws {
        try withTemporaryFolder { folder in
            let file = TokenFile(state: folder.path("store"))
            let one = try file.create(role: .agent, label: "one", expires: nil, now: 1).token
            let other = try file.create(role: .agent, label: "other", expires: nil, now: 1).token
            #expect(try file.revoke("none", now: 2) == nil)
            #expect(try file.revoke(one.id, now: 3)?.revoked == 3)
            #expect(try file.revoke(one.id, now: 4)?.revoked == 3)
            #expect(try file.read().map { $0.state(at: 9) } == [.revoked, .active])
            #expect(try file.read().map(\.id) == [one.id, other.id])
        }
    }

    @Test(arguments: [
        ("", false), ("x", true), ("a\nb", false), ("a\u{7F}", false), ("a\u{9B}", false), ("Rack 7, Zürich", true),
        (String(repeating: "x", count: TokenFile.maximumLabelLength), true),
        (String(repeating: "x", count: TokenFile.maximumLabelLength + 1), false),
    ])
    func labels(_ label: String, _ isTaken: Bool) throws {
        try withTemporaryFolder { folder in
            let file = TokenFile(state: folder.path("store"))
            let result = Result { try file.create(role: .client, label: label, expires: nil, now: 1) }
            switch result {
            case .success: #expect(isTaken)
            case .failure(let error): #expect(!isTaken && (error as? Problem)?.code == .parameterMalformed)
            }
            let count = try file.read().count
            #expect(count == (isTaken ? 1 : 0))
        }
    }

    /// The file is looked at when the clock has gone on, and read when it is another one.
    @Test func aRegistryLooksOnceASecond() throws {
        try withTemporaryFolder { folder in
            let file = TokenFile(state: folder.path("store"))
            let now = Mutex(100)
            let registry = TokenRegistry(file) { now.withLock { $0 } }
            #expect(try registry.isEmpty && !registry.hasActive)
            let made = try file.create(role: .client, label: "x", expires: 104, now: 100)
            #expect(try registry.find(made.secret) == .unknown)
            now.withLock { $0 = 101 }
            #expect(try registry.find(made.secret) == .active(made.token))
            #expect(try !registry.isEmpty && registry.hasActive)
            _ = try file.revoke(made.token.id, now: 101)
            #expect(try registry.find(made.secret) == .active(made.token))
            // A clock that is put back is another time as well.
            now.withLock { $0 = 50 }
            #expect(try registry.find(made.secret) == .unknown)
            #expect(try !registry.isEmpty && !registry.hasActive)
            let late = try file.create(role: .client, label: "x", expires: 104, now: 100)
            now.withLock { $0 = 104 }
            #expect(try registry.find(late.secret) == .expired(late.token))
        }
    }

    @Test(arguments: ["create", "write", "sync", "rename"]) func aChangeThatFailsLeavesNothing(step: String) throws {
        try withTemporaryFolder { folder in
            let files = ObservedFileSystem { moment, call in
                guard moment == .before, call.name == step else { return }
                throw SystemCallError(call: step, path: nil, number: ENOSPC)
            }
            let file = TokenFile(state: folder.path("store"), files: files)
            #expect(throws: SystemCallError.self) {
                try file.create(role: .client, label: "x", expires: nil, now: 1)
            }
            #expect(folder.names(in: "store").isEmpty)
        }
    }

    @Test func aLinkIsNotFollowed() throws {
        try withTemporaryFolder { folder in
            try folder.write(#"{"version":1,"tokens":[]}"#.utf8, to: "elsewhere")
            try folder.makeFolder("store")
            symlink(folder.path("elsewhere"), folder.path("store/tokens.json"))
            #expect(throws: TokenFileError.self) { try TokenFile(state: folder.path("store")).read() }
        }
    }

    @Test func aPowerLossAtAnyStepTakesNoTokenAndBringsNoneBack() throws {
        try withTemporaryFolder { folder in
            try folder.makeFolder("store")
            let loss = try PowerLoss(of: folder.path("store"), gallery: folder.makeFolder("gallery"))
            let file = TokenFile(state: folder.path("store"), files: loss.files)
            let one = try file.create(role: .agent, label: "one", expires: nil, now: 1).token
            loss.watch()
            let other = try file.create(role: .agent, label: "other", expires: nil, now: 1).token
            try loss.takePicture()
            let made = loss.pictures.count
            _ = try file.revoke(one.id, now: 2)
            try loss.takePicture()
            let states = try loss.pictures.map { picture in
                try TokenFile(state: picture).read().map { $0.state(at: 3) }
            }
            #expect(states.count > 10)
            for (index, state) in states.enumerated() {
                let before: [TokenRecord.State] = index < made ? [.active] : [.active, .active]
                let after: [TokenRecord.State] = index < made ? [.active, .active] : [.revoked, .active]
                #expect(state == before || state == after, "\(index)")
            }
            // What was acknowledged stays.
            #expect(states[made - 1] == [.active, .active])
            #expect(states.last == [.revoked, .active])
            #expect(try file.read().map(\.id) == [one.id, other.id])
        }
    }
}
