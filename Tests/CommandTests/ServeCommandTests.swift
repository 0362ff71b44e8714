import FoundationEssentials
import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing

/// `kheaderd serve` as a process: how it ends, and what it writes.
@Suite struct ServeCommandTests {
    /// Starts a server, asks it until it says that it is about to end, and ends it; answers of the script's own are lines.
    private static let script = """
        set -eu
        kheaderd=$1 state=$2
        mkfifo "$state.ready"
        KHEADERD_DRAIN_SECONDS=600 KHEADERD_ACCESS_LOG=true KHEADERD_LOG_FORMAT=json KHEADERD_PCH_ON=false \
            "$kheaderd" serve --state "$state" --listen 127.0.0.1:0 >"$state.ready" 2>"$state.log" &
        server=$!
        trap 'kill -KILL $server' EXIT
        exec 3<"$state.ready"
        read -r line <&3
        url=${line##* }
        curl -sS -o /dev/null -w '%{http_code}\\n' "$url/readyz"
        kill -TERM $server
        while [ "$(curl -sS -o "$state.body" -w '%{http_code}' "$url/readyz")" = 200 ]; do :; done
        cat "$state.body"; echo
        for path in /livez "/v1/kernels?release=x"; do curl -sS -o /dev/null -w '%{http_code}\\n' "$url$path"; done
        """

    @Test func untilItEndsItSaysSoAndAnswers() async throws {
        try await withTemporaryFolder { folder in
            let state = folder.path("state")
            let result = try await run(shell: Self.script, BuiltProgram.path("kheaderd"), state)
            #expect(result.status == 0, "\(result.errors)")
            let lines = result.text.split(separator: "\n").map(String.init)
            try #require(lines.count == 4, "\(lines)")
            #expect(lines[0] == "200" && lines[2] == "200" && lines[3] == "200")
            let problem = try JSONDecoder().decode(Problem.self, from: Data(lines[1].utf8))
            #expect(problem.code == .serverDraining && problem.status == 503)

            // The log, for programs: the request that was refused is found by the ID that its answer had.
            let log = String(decoding: try FileSource(path: "\(state).log").readAll(), as: UTF8.self)
            let entries = try log.split(separator: "\n").map {
                try JSONDecoder().decode([String: String].self, from: Data($0.utf8))
            }
            let entry = try #require(entries.first { $0["hb.request.id"] == problem.requestID })
            #expect(entry["message"] == "request" && entry["level"] == "info")
            #expect(entry["method"] == "GET" && entry["path"] == "/readyz" && entry["status"] == "503")
            #expect(entry["client"] == "127.0.0.1")
            #expect(entries.contains { $0["path"] == "/v1/kernels" && $0["status"] == "200" })
        }
    }

    /// systemd starts it again after exit code 1, and not after 2: an address that is taken may be free the next time.
    @Test(arguments: [
        ("127.0.0.1:PORT", 1, "Address already in use."), ("unix:/nowhere/socket", 1, "No such file or directory."),
        ("no-such-host.invalid:8003", 1, "has no address here"), ("nowhere", 2, "See 'kheaderd serve --help'"),
        ("0.0.0.0:0", 2, "See 'kheaderd serve --help'"),
    ])
    func whereItCantListen(_ address: String, _ status: Int32, _ sentence: String) async throws {
        try await withRunningServer { server in
            let address = address.replacing("PORT", with: "\(server.port)")
            let result = try await run(
                "kheaderd", "serve", "--state", server.folder.path("other"), "--listen", address)
            #expect(result.status == status && result.output.isEmpty && result.errors.contains(sentence))
            #expect(result.errors.contains("--help") == (status == 2), "\(result.errors)")
        }
    }

    /// Starts a server, asks it for two things, and ends it.
    private static let traced = """
        set -eu
        kheaderd=$1 state=$2
        mkfifo "$state.ready"
        KHEADERD_TRACES_COLLECTOR=$3 KHEADERD_PCH_ON=false \
            "$kheaderd" serve --state "$state" --listen 127.0.0.1:0 >"$state.ready" &
        server=$!
        trap 'kill -KILL $server 2>"$state.kill" || true' EXIT
        exec 3<"$state.ready"
        read -r line <&3
        url=${line##* }
        for path in /v1/kernels /livez; do curl -sS -o /dev/null "$url$path"; done
        kill -TERM $server
        wait $server
        """

    /// A collector gets the spans, the last ones when the server ends, and none of sending spans.
    @Test func spansGoToACollector() async throws {
        try await withTemporaryFolder { folder in
            let collector = try StandInServer { _ in .init(200, Array("{}".utf8)) }
            defer { collector.stop() }
            let result = try await run(
                shell: Self.traced, BuiltProgram.path("kheaderd"), folder.path("state"), collector.url + "/v1/traces")
            #expect(result.status == 0, "\(result.errors)")
            let seen = collector.seen
            #expect(seen.allSatisfy { $0.method == "POST" && $0.target == "/v1/traces" })
            #expect(seen.allSatisfy { $0.fields["content-type"] == "application/json" })
            let text = seen.map { String(decoding: $0.body, as: UTF8.self) }.joined()
            #expect(text.split(separator: #""name":"GET /v1/kernels""#).count == 2, "\(text)")
            #expect(text.split(separator: #""spanId""#).count == 2)
        }
    }

    @Test func aCollectorThatIsNotThereKeepsNothingFromGoing() async throws {
        try await withTemporaryFolder { folder in
            let collector = try StandInServer { _ in .init(503) }
            defer { collector.stop() }
            let result = try await run(
                shell: Self.traced, BuiltProgram.path("kheaderd"), folder.path("state"), collector.url + "/v1/traces")
            #expect(result.status == 0 && result.errors.contains("the collector answered 503"), "\(result.errors)")
        }
    }
}
