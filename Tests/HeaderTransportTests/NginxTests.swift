import Glibc
import HeaderArchive
import KHeaderTestSupport
import KernelHeaders
import Testing
import TracingClient

@testable import HeaderTransport

/// Uploads through a real proxy, whose connection to the server breaks. It drops interim responses, and it may collect a
/// request before it passes it on.
@Suite(.enabled(if: access("/usr/sbin/nginx", X_OK) == 0), .timeLimit(.minutes(2))) struct NginxTests {
    private static let kernel = SmallKernel(hasLargeFile: false)

    private static func configuration(_ folder: TemporaryFolder, port: Int, buffers: Bool) -> String {
        """
        daemon off;
        master_process off;
        pid \(folder.path("pid"));
        error_log stderr crit;
        events {}
        http {
            access_log off;
            client_body_temp_path \(folder.path("bodies"));
            proxy_temp_path \(folder.path("answers"));
            fastcgi_temp_path \(folder.path("fastcgi"));
            uwsgi_temp_path \(folder.path("uwsgi"));
            scgi_temp_path \(folder.path("scgi"));
            client_max_body_size 0;
            server {
                listen unix:\(folder.path("proxy"));
                location / {
                    proxy_pass http://127.0.0.1:\(port);
                    proxy_http_version 1.1;
                    proxy_request_buffering \(buffers ? "on" : "off");
                }
            }
        }
        """
    }

    private static func start(_ folder: TemporaryFolder, port: Int, buffers: Bool) async throws -> pid_t {
        let file = try folder.write(
            Array(configuration(folder, port: port, buffers: buffers).utf8), to: "nginx.conf")
        let words = ["/usr/sbin/nginx", "-p", folder.path("."), "-e", "stderr", "-c", file]
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, words[0], nil, nil, copies + [nil], environ)
        guard status == 0 else { throw SystemCallError(call: "posix_spawn", path: words[0], number: status) }
        return process
    }

    @Test(arguments: [true, false]) func aConnectionThatBreaksBehindAProxyIsGoneOnFrom(buffers: Bool) async throws {
        let tar = Self.kernel.tar
        try await withRunningServer { server in
            let folder = server.folder
            let cuts: [CuttingProxy.Cut] = [
                // The beginning has a connection of its own.
                .never, .afterSending(tar.count / 2), .afterReceiving(5), .never, .afterSending(400 + tar.count / 4),
            ]
            let behind = try CuttingProxy(to: server.port, cuts: cuts)
            defer { behind.stop() }
            let nginx = try await Self.start(folder, port: behind.port, buffers: buffers)
            var client = HeaderServerClient(servers: [try ServerAddress("unix:\(folder.path("proxy"))")])
            // Until it listens.
            client.pause = { _ in await Task.yield() }
            client.retries = 100_000
            _ = try await client.store()
            client.retries = RetryPolicy.retries
            client.resumableSize = 1
            let file = try UploadFile(path: folder.write(tar, to: "archive"), cancellation: Cancellation())
            let id = try #require(BuildID(bytes: [1, 2]))
            let result = await Result { [client] in
                try await client.push(file, as: KernelIdentity(buildID: id), source: .agent)
            }
            _ = try await BlockingWork.run { _ in
                kill(nginx, SIGKILL)
                var status: CInt = 0
                return waitpid(nginx, &status, 0)
            }
            let receipt = try result.get().receipt
            #expect(try receipt.treeDigest == Self.kernel.manifest.digest)
            let patches = behind.connections.map { String(decoding: $0.sent.prefix(5), as: UTF8.self) }
                .filter { $0 == "PATCH" }
            #expect(patches.count >= 2)
            // What had arrived was not sent again.
            let sent = behind.connections.reduce(0) { $0 + $1.sent.count }
            #expect(sent < tar.count + 1000 * behind.connections.count)
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
