internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments
internal import TracingClient

struct StoreVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Have the server read all that it keeps, and hold it against its digests.",
        discussion: """
            Waits for the end; if it is interrupted, the server goes on. What is damaged is never served: the server puts it \
            into quarantine, keeps what is good of it, and asks the next host that boots one of the kernels to upload it \
            again. The exit code is 1 if anything was found. It takes an operator's token.

            --last starts nothing, and shows what the last round that found anything found then, in the background or not. The \
            exit code is 1 while a kernel still lacks something; 'kheader kernels list --damaged' names those.
            """)

    @Flag(help: "Show the last damage that was found, instead of looking for more.")
    var last = false

    @Option(help: "How: table, or json.")
    var format = ListFormat.table

    @OptionGroup var servers: ServerOptions

    func run() async throws {
        let client = try servers.client()
        if last { return try await showLast(client) }
        let first = try await client.startVerify()
        let result = try await ProgressBar.show("Verifying") { bar in
            try await Upkeep.end(first, ask: { try await client.verification() }) { progress in
                bar.update(progress.bytes, of: progress.allBytes)
                return progress.state == .idle || progress.round != first.round
            }
        }
        switch format {
        case .table: if result.found > 0 { try Console.put(Self.table(result.findings)) }
        case .json: try Console.put(JSONText.text(result, isPretty: true))
        }
        if let failure = result.failure { throw UpkeepFailed(what: "The verify", failure: failure) }
        guard result.round == first.round, result.ended != nil else {
            throw UpkeepFailed(what: "The verify", failure: "it ended early.")
        }
        guard result.found == 0 else { throw StoreDamaged(found: result.found) }
        Console.say("\(result.files) files, \(ByteSize.text(result.bytes)): all of them are as they were written.")
    }

    private func showLast(_ client: HeaderServerClient) async throws {
        let verification = try await client.verification()
        let findings = verification.lastFindings
        switch format {
        case .table: if let findings { try Console.put(Self.table(findings.findings)) }
        case .json: try Console.put(JSONText.text(findings, isPretty: true))
        }
        let status = try await client.store()
        let lacking = (status.damagedKernels ?? 0) + (status.lostBTF ?? 0)
        guard lacking == 0 else { throw StoreNotHealed(headers: status.damagedKernels ?? 0, btf: status.lostBTF ?? 0) }
        guard let findings else { return Console.say("kheader: no round of \(verification.round) has found damage.") }
        let time = findings.started.map { ", begun \(UTCTime.text($0))," } ?? ""
        Console.say("kheader: round \(findings.round)\(time) found this. No kernel lacks anything of it any more.")
    }

    static func table(_ findings: [StoreDamage]) -> String {
        var table = TextTable([.init("WHAT"), .init("FILE"), .init("KERNELS"), .init("PATHS")])
        for finding in findings {
            var paths = names(finding.paths, of: finding.pathCount)
            if let trees = finding.lostManifests, trees > 0 {
                paths += (paths.isEmpty ? "" : ", and ") + "all of \(trees == 1 ? "1 tree" : "\(trees) trees")"
            }
            table.add([
                finding.kind.rawValue, finding.name, names(finding.kernels.map { "\($0)" }, of: finding.kernelCount),
                paths,
            ])
        }
        let sentences = findings.map {
            "\n\(UTCTime.text($0.time)) \(Console.printable("\($0.name): \($0.detail)", lineEnd: "?"))"
        }
        return ([table.text] + sentences).joined(separator: "\n")
    }

    private static func names(_ names: [String], of count: Int) -> String {
        let shown = names.prefix(3).joined(separator: " ")
        return count > 3 ? "\(shown) and \(count - 3) more" : shown
    }
}

/// Waits for work that goes on in the server.
enum Upkeep {
    /// - Parameters:
    ///   - ask: how it stands.
    ///   - isDone: is told how it stands.
    static func end<Value: Sendable>(
        _ first: Value, ask: () async throws -> Value, isDone: (Value) -> Bool
    ) async throws -> Value {
        var value = first
        var delay = Duration.milliseconds(50)
        while !isDone(value) {
            try await Task.sleep(for: delay)
            delay = min(delay * 2, .seconds(1))
            value = try await ask()
        }
        return value
    }
}

/// Something in the store was not what it should be.
private struct StoreDamaged: Error, CustomStringConvertible {
    let found: Int

    var description: String {
        "\(found == 1 ? "1 file" : "\(found) files") of the store \(found == 1 ? "was damaged, and is" : "were damaged, and are") in "
            + "quarantine or gone. (store-damaged)"
    }
}

/// What was found damaged is not all back.
private struct StoreNotHealed: Error, CustomStringConvertible {
    let headers: Int
    let btf: Int

    var description: String {
        "Not everything is back, until it is uploaded again: kernels with damaged headers \(headers), without their BTF \(btf): "
            + "kheader kernels list --damaged (store-damaged)"
    }
}

/// The server could not do all of it.
struct UpkeepFailed: Error, CustomStringConvertible {
    let what: String
    let failure: String

    var description: String { "\(what) ended early: \(failure)" }
}
