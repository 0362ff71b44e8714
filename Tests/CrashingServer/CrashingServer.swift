import Glibc
import HeaderServer
import HeaderStore
import KHeaderTestSupport
import Logging

/// The real server, but for a file system that kills the process with SIGKILL at the n-th step; see `DeadlyStep`.
///
/// ```
/// CrashingServer serve STATE N [BUNDLEBYTES]     steps count from when it listens
/// CrashingServer start STATE N                   steps count from when the store is opened
/// CrashingServer rebuild STATE N                 steps are those of a rebuild of the catalogue
/// CrashingServer collect STATE N                 steps are those of a collect
/// CrashingServer verify STATE N                  steps are those of a verify
/// CrashingServer repack STATE N                  steps are those of a repack
/// ```
///
/// Prints lines: `listening on URL`, `died at N, before|after CALL` (the last thing it does), `steps N` at its end. With
/// N = 0 it lives until SIGTERM.
@main
struct CrashingServer {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let number = Int(arguments[3]) else {
            print("usage: CrashingServer serve|start|rebuild|collect|verify|repack STATE N [BUNDLEBYTES]")
            exit(2)
        }
        let step = DeadlyStep(number) { say("died at \($0)") }
        switch arguments[1] {
        case "rebuild":
            step.arm()
            _ = try CatalogueRebuild(folder: arguments[2], files: step.files, logger: quiet).run()
        case "collect", "verify", "repack":
            let store = try open(arguments[2], step)
            step.arm()
            switch arguments[1] {
            case "collect": _ = try await store.collect()
            case "verify": _ = try await store.verify()
            default: _ = try await store.repack()
            }
            try store.close()
        case let mode:
            if mode == "start" { step.arm() }
            let bundleBytes = arguments.count > 4 ? Int(arguments[4]) : nil
            try await serve(arguments[2], step, bundleBytes: bundleBytes)
        }
        say("steps \(step.steps)")
    }

    private static func serve(_ state: String, _ step: DeadlyStep, bundleBytes: Int?) async throws {
        let store = try open(state, step, bundleBytes: bundleBytes)
        try await HeaderServer.run(
            store: store, access: .open, address: .tcp(host: "127.0.0.1", port: 0), logger: quiet, endsOnSignals: true
        ) { address in
            step.arm()
            say("listening on \(address)")
        }
        try store.close()
    }

    private static func open(_ state: String, _ step: DeadlyStep, bundleBytes: Int? = nil) throws -> HeaderStore {
        var options = HeaderStore.Options()
        options.files = step.files
        if let bundleBytes { options.bundleBytes = bundleBytes }
        return try HeaderStore(folder: state, options: options, logger: quiet)
    }

    private static var quiet: Logger {
        var logger = Logger(label: "CrashingServer") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .critical
        return logger
    }

    /// Without a buffer, which would die with the process.
    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}
