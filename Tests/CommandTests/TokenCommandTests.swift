import FoundationEssentials
import Glibc
import HeaderStore
import KHeaderTestSupport
import Testing

/// Tokens from the command that makes them to the server and the client that use them.
@Suite struct TokenCommandTests {
    private func create(
        _ role: String, in state: String, label: String = "test", _ more: String...
    ) async throws -> (secret: String, result: ShellCommand.Result) {
        let result = try await run(
            "kheaderd", ["token", "create", "--state", state, "--role", role, "--label", label] + more)
        return (String(result.text.dropLast()), result)
    }

    private struct Listed: Decodable, Equatable {
        let id, role, label, state: String
        let created: Int
        let expires: Int?
    }

    private func list(_ state: String) async throws -> [Listed] {
        let result = try await run("kheaderd", "token", "list", "--state", state, "--format", "json")
        try #require(result.status == 0, "\(result.errors)")
        return try JSONDecoder().decode([Listed].self, from: Data(result.output))
    }

    @Test func theSecretAloneIsOnStandardOutput() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            for role in ["agent", "client", "builder", "operator"] {
                let (secret, result) = try await create(role, in: state, label: "of \(role)", "--expires", "90d")
                #expect(result.status == 0)
                #expect(try Regex("khd_\(role)_[0-9a-f]{64}").wholeMatch(in: secret) != nil)
                #expect(!result.errors.contains(secret) && result.errors.contains("role \(role)"))
            }
            let listed = try await list(state)
            #expect(listed.map(\.role) == ["agent", "client", "builder", "operator"])
            #expect(listed.allSatisfy { $0.expires == $0.created + 90 * 86400 && $0.state == "active" })
            let table = try await run("kheaderd", "token", "list", "--state", state)
            #expect(table.text.hasPrefix("ID ") && table.text.contains("of client"))
            for token in listed { #expect(table.text.contains(token.id)) }
        }
    }

    @Test(arguments: [
        ["--role", "root", "--label", "x"], ["--role", "agent"], ["--label", "x"], ["--role", "agent", "--label", ""],
        ["--role", "agent", "--label", "a\nb"], ["--role", "agent", "--label", "x", "--expires", "0d"],
        ["--role", "agent", "--label", "x", "--expires", "90"],
        ["--role", "agent", "--label", "x", "--expires", "-1d"],
        ["--role", "agent", "--label", "x", "--expires", "36526d"],
        ["--role", "agent", "--label", "x", "--expires", "d"],
        ["--role", "agent", "--label", "x", "--expires", "9223372036854775807w"],
    ])
    func whatMakesNoSenseIsUsageAndMakesNoToken(_ arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            let result = try await run(
                "kheaderd", ["token", "create", "--state", folder.path("store")] + arguments)
            #expect(result.status == 2 && result.output.isEmpty && !result.errors.isEmpty)
            #expect(try await list(folder.path("store")) == [])
        }
    }

    @Test func theLongestLifeAndNoState() async throws {
        try await withTemporaryFolder { folder in
            let (_, result) = try await create("agent", in: folder.path("store"), "--expires", "36525d")
            #expect(result.status == 0)
        }
        #expect(try await run("kheaderd", "token", "list").status == 2)
    }

    @Test func aDamagedFileIsSaidAndLeft() async throws {
        try await withTemporaryFolder { folder in
            try folder.write("{".utf8, to: "store/tokens.json")
            let state = folder.path("store")
            for arguments in [
                ["token", "create", "--state", state, "--role", "agent", "--label", "x"],
                ["token", "list", "--state", state], ["token", "revoke", "--state", state, "0"],
                ["serve", "--state", state, "--listen", "127.0.0.1:0"],
            ] {
                let result = try await run("kheaderd", arguments)
                #expect(result.status == 1 && result.output.isEmpty)
                #expect(result.errors.contains("tokens.json: it is damaged"), "\(result.errors)")
            }
            #expect(try folder.read("store/tokens.json") == Array("{".utf8))
        }
    }

    @Test func manyThatMakeOneAtOnceLoseNone() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            let result = try await run(
                shell: """
                    for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
                        "$1" token create --state "$2" --role agent --label "$n" 2>/dev/null & all="$all $!"
                    done
                    for one in $all; do wait "$one" || exit 1; done
                    """, BuiltProgram.path("kheaderd"), state)
            #expect(result.status == 0)
            #expect(Set(result.text.split(separator: "\n")).count == 12)
            #expect(Set(try await list(state).compactMap { Int($0.label) }) == Set(1...12))
        }
    }

    @Test func anIDThatIsNotThere() async throws {
        try await withTemporaryFolder { folder in
            let result = try await run("kheaderd", "token", "revoke", "--state", folder.path("store"), "beef")
            #expect(result.status == 1 && result.errors.contains("There is no token with this ID"))
        }
    }

    /// Root makes tokens for a server that runs as the owner of the folder.
    @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
    func theFileBelongsToTheOwnerOfTheFolder() async throws {
        try await withTemporaryFolder { folder in
            let state = try folder.makeFolder("store")
            chown(state, 65534, 65534)
            #expect(try await create("agent", in: state).result.status == 0)
            let owner = try await run(shell: "stat -c '%u %g %a' \"$1\"/tokens.json", state)
            #expect(owner.text == "65534 65534 600\n")
        }
    }

    /// A rebuild is as careful: what it makes is theirs, and where only root may write it does not, whatever they put there.
    @Test(.enabled(if: geteuid() == 0, "only root can become another user"))
    func aRebuildIsTheOwnersOfTheFolder() async throws {
        try await withTemporaryFolder { folder in
            chmod(folder.path(""), 0o755)
            let state = folder.path("store")
            try HeaderStore(folder: state).close()
            _ = try await run(shell: "chown -R 65534:65534 \"$1\" && chown 0:0 \"$1\"/catalogue.sqlite", state)
            let made = try await run("kheaderd", "rebuild", "--state", state)
            #expect(made.status == 0, "\(made.errors)")
            let strays = try await run(
                shell: "find \"$1\" ! -uid 65534 -o ! -gid 65534; stat -c %a \"$1\"/catalogue.sqlite", state)
            #expect(strays.text == "640\n")
            let elsewhere = try folder.makeFolder("elsewhere")
            _ = try await run(shell: "rmdir \"$1\"/staging && ln -s \"$2\" \"$1\"/staging", state, elsewhere)
            #expect(try await run("kheaderd", "rebuild", "--state", state).status == 1)
            #expect(folder.names(in: "elsewhere").isEmpty)
        }
    }

    // MARK: The server

    @Test(arguments: ["0.0.0.0:0", "[::]:0"])
    func aServerForOthersDoesNotStartWithoutTokens(_ address: String) async throws {
        try await withTemporaryFolder { folder in
            let result = try await run(
                "kheaderd", "serve", "--state", folder.path("store"), "--listen", address)
            #expect(result.status == 2 && result.output.isEmpty)
            #expect(result.errors.contains("kheaderd token create --state \(folder.path("store")) --role operator"))
            #expect(result.errors.contains("--anonymous-reads"))
            #expect(folder.names().isEmpty)
        }
    }

    /// A server at its most talkative, in a process of its own, is asked in every way; then all that it ever said is searched.
    @Test func noSecretIsInALogOrAnAnswer() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("store")
            var secrets: [String: String] = [:]
            for role in ["agent", "client", "operator"] { secrets[role] = try await create(role, in: state).secret }
            secrets["expired"] = "khd_client_\(String(repeating: "0", count: 64))"
            for (role, secret) in secrets { try folder.write("\(secret)\n".utf8, to: role, mode: 0o600) }
            try folder.write(SmallKernel(hasLargeFile: false).tar, to: "small.tar")
            let result = try await run(
                shell: """
                    cd "$1"
                    KHEADERD_LOG_LEVEL=trace "$2/kheaderd" serve --state store --listen unix:$1/socket \
                        >started 2>log & server=$!
                    while ! grep -q listening started; do kill -0 $server || exit 9; done
                    ask() { curl --silent --show-error --include --unix-socket socket "$@"; }
                    for role in agent client operator expired; do
                        secret=$(cat $role)
                        for path in /livez /v1/kernels /metrics /nowhere /buildid/x/headers.tar "/v1/kernels?limit=x"; do
                            ask -H "Authorization: Bearer $secret" "http://x$path"
                            ask -H "Authorization: Bearer $secret" -T small.tar "http://x$path"
                        done
                        ask -H "Authorization: Bearer $secret" -T small.tar "http://x/v1/kernels/ab/headers?source=agent"
                        for command in "push small.tar --build-id abcd" "kernels list" "store status" \
                            "doctor --build-id abcd --cache $1/cache" "fetch --build-id abcd --to $1/out-$role" \
                            "path --build-id abcd --cache $1/cache"; do
                            "$2/kheader" $command --server unix:$1/socket --token-file $role 2>&1
                            echo "$role $command: $?" >>codes
                        done
                        # A busy machine may take longer than a person would wait.
                        KHEADER_TIMEOUT=120 "$2/kheader-agent" doctor --json --server unix:$1/socket --token-file $role \
                            2>&1 >agent-$role
                        # Not its text, whose lines end where the folder's path is so long.
                        grep -q '"detail" : "answers, and takes sightings"' agent-$role; echo "$role agent: $?" >>codes
                        KHEADER_TOKEN=$secret "$2/kheader" store status --server unix:$1/socket 2>&1
                        echo "$role variable: $?" >>codes
                    done
                    "$2/kheader" store status --server unix:$1/socket 2>&1
                    echo "none: $?" >>codes
                    kill $server; wait $server
                    """, folder.path,
                String(BuiltProgram.path("x").dropLast(2)))
            let log = String(decoding: try folder.read("log"), as: UTF8.self)
            #expect(log.contains("trace") || log.contains("debug"), "the log says too little to be searched")
            #expect(result.text.contains("token-unknown") && result.text.contains("role-insufficient"))
            for (role, secret) in secrets {
                let doctor = String(decoding: try folder.read("agent-\(role)"), as: UTF8.self)
                for text in [log, result.text, result.errors, doctor] {
                    #expect(!text.contains(secret.suffix(64)), "\(role)")
                }
            }
            let codes = String(decoding: try folder.read("codes"), as: UTF8.self).split(separator: "\n")
            func code(_ what: String) -> String? {
                codes.first { $0.hasPrefix("\(what)") }.flatMap { $0.split(separator: " ").last.map(String.init) }
            }
            // Who may report a host.
            let doctor = String(decoding: try folder.read("agent-agent"), as: UTF8.self)
            #expect(code("agent agent") == "0", "\(doctor)")
            #expect(code("client agent") == "1" && code("expired agent") == "1")
            // Reads, writes, and who may do neither.
            #expect(code("client kernels list") == "0" && code("client variable") == "0")
            #expect(code("client push") == "4" && code("agent push") == "4" && code("agent kernels list") == "4")
            #expect(code("operator push") == "0" && code("operator fetch") == "0" && code("operator path") == "0")
            #expect(code("expired store status") == "4" && code("none") == "4")
            let words = result.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("This server wants a token"))
            #expect(words.contains("token refused: A token of role 'agent' is not for this: it takes "))
        }
    }

    /// What the README says of elfutils' own client.
    @Test func debuginfodFindSendsATokenFromAFile() async throws {
        try await withTemporaryFolder { folder in
            let (secret, _) = try await create("client", in: folder.path("store"))
            let (other, _) = try await create("operator", in: folder.path("store"))
            try folder.write("Authorization: Bearer \(secret)\n".utf8, to: "headers", mode: 0o600)
            try await withRunningServer(in: folder) { server in
                let pushed = try await server.put(
                    "/v1/kernels/abcd/btf", SmallBTF.bytes(), "Authorization: Bearer \(other)")
                try #require(pushed.status == 201)
                func find(_ headers: String) async throws -> ShellCommand.Result {
                    try await run(
                        shell: """
                            cd "$1" && DEBUGINFOD_URLS=$2 DEBUGINFOD_CACHE_PATH=$1/cache DEBUGINFOD_HEADERS_FILE=$3 \
                                debuginfod-find section abcd .BTF && cat cache/abcd/section-.BTF
                            """, folder.path, server.url, headers)
                }
                #expect(try await find("").status != 0)
                _ = try await run(shell: "rm -rf \"$1\"/cache", folder.path)
                let found = try await find(folder.path("headers"))
                #expect(found.status == 0 && found.output.suffix(SmallBTF.bytes().count) == SmallBTF.bytes()[...])
            }
        }
    }

    @Test func aRunningServerNoticesNewAndRevokedTokens() async throws {
        try await withRunningServer { server in
            let state = server.folder.path("store")
            let (secret, _) = try await create("client", in: state)
            let (other, _) = try await create("client", in: state)
            func status(_ secret: String) async throws -> Int {
                try await server.get("/v1/kernels", "Authorization: Bearer \(secret)").status
            }
            /// It looks once a second. Far more than that is a failure.
            func wait(until secret: String, answers wanted: Int) async throws {
                let start = ContinuousClock.now
                while try await status(secret) != wanted {
                    try #require(ContinuousClock.now - start < .seconds(30))
                }
            }
            try await wait(until: "none", answers: 401)
            #expect(try await status(secret) == 200)
            let id = try #require(try await list(state).first).id
            #expect(try await run("kheaderd", "token", "revoke", "--state", state, id).status == 0)
            try await wait(until: secret, answers: 401)
            #expect(try await status(other) == 200)
            #expect(try await list(state).map(\.state) == ["revoked", "active"])
        }
    }
}
