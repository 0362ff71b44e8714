internal import FoundationEssentials
internal import Glibc
internal import HeaderTransport
internal import KernelHeaders
internal import PrecompiledHeaders
internal import TracingClient

/// A command that is run with a PCH, and with the full headers wherever that does not do.
struct PrecompiledExecution {
    /// How long a command waits for a PCH that is being made, in seconds: the full headers are as good, and slower.
    private static let standardWait = 20

    private let words: [String]
    private let options: PCHOptions
    private let tree: ToolTreeOptions
    private let cache: HeaderCache
    /// The full headers, unless the user does without. While the tool has the PCH, its files are not looked at one by one.
    private let headers: ReadyHeaders?
    private let environment = ProcessInfo.processInfo.environment
    private let kind: ToolCommand.Kind

    init(_ words: [String], _ options: PCHOptions, _ tree: ToolTreeOptions, isWithoutHeaders: Bool) async throws {
        self.words = words
        self.options = options
        self.tree = tree
        kind = ToolCommand.kind(of: words[0])
        cache = try tree.tree.cache.open()
        headers = isWithoutHeaders ? nil : try await tree.headers(look: .folders)
    }

    func run() async throws {
        if let headers, let notice = ToolRequirements.notice(for: words, tree: ToolTree(source: headers.path)) {
            Console.say("kheader: \(notice)")
        }
        let entry: CachedPCH
        do {
            entry = try await pch()
        } catch let reason as PCHUnavailable {
            guard headers != nil else { throw reason }
            Console.say("kheader: No PCH, but the full headers: \(reason)")
            return try await startWithHeaders()
        } catch let error where headers != nil && !(error is CancellationError) {
            // The cache is full, or can't be written.
            Console.say("kheader: No PCH, but the full headers: \(error)")
            return try await startWithHeaders()
        }
        try await run(with: entry)
    }

    // MARK: Choosing

    private func pch() async throws -> CachedPCH {
        guard kind != .bpftrace else { throw PCHUnavailable.bpftrace }
        let path = environment["PATH"] ?? ""
        let tool: PCHTool
        let command: ToolCommand
        if kind == .clang {
            command = ToolCommand(words, path: path)
            try check(command)
            guard let program = command.program else { throw PCHUnavailable.program(words[0]) }
            tool = try await .clang(program, targetsBPF: command.targetsBPF)
        } else {
            if let name = ToolEnvironment.bccChoices.first(where: { environment[$0] != nil }) {
                throw PCHUnavailable.variable(name)
            }
            tool = try await .bcc(remembering: cache)
            command = ToolCommand(words, path: path, ownHeaders: tool.ownHeaders)
            try check(command)
        }
        let id = if let headers { headers.identity.buildID } else { try await tree.tree.buildID(cache) }
        guard kind == .clang || options.umbrella != nil || !command.needs.headers.isEmpty else {
            throw PCHUnavailable.unseen
        }
        let wish = PCHFinder.Wish(
            headers: command.needs.headers, umbrella: options.umbrella, tree: headers?.headers.stamp.digest,
            architecture: headers?.architecture)
        return try await options.pch(
            of: id, for: tool, wish, in: cache, tree.tree.servers, standardWait: Self.standardWait)
    }

    private func check(_ command: ToolCommand) throws {
        if let obstacle = command.needs.obstacle { throw PCHUnavailable.program(obstacle: obstacle) }
    }

    // MARK: Running

    private func run(with entry: CachedPCH) async throws {
        try Task.checkCancellation()
        try headers?.keepAcrossExec()
        try entry.keepAcrossExec()
        let command = kind == .clang ? [words[0]] + entry.arguments + words.dropFirst() : words
        let variables = variables(entry)
        let place = lseek(STDIN_FILENO, 0, SEEK_CUR)
        guard let outcome = try await SupervisedTool(command, setting: variables).run(KHeader.signals) else {
            // Says why it can't be started.
            ReplacementProgram(command, setting: variables).start(KHeader.signals)
        }
        guard let complaint = outcome.complaint, headers != nil else {
            SupervisedTool.pass(outcome.held)
            SupervisedTool.end(as: outcome.end, KHeader.signals)
        }
        Console.say(
            "kheader: the PCH can't serve this program (\(complaint)); running it again with the full headers")
        // From a pipe nobody can read twice.
        if place >= 0 { lseek(STDIN_FILENO, place, SEEK_SET) }
        SupervisedTool.stopForwarding()
        try await startWithHeaders()
    }

    private func variables(_ entry: CachedPCH) -> [(name: String, value: String)] {
        guard kind != .clang else {
            return headers?.environment.variables
                ?? [(ToolEnvironment.buildID, "\(entry.record.identity.buildID)")]
        }
        return ToolEnvironment(
            stubs: entry.stubs, tree: headers?.path, buildID: entry.record.identity.buildID, btf: headers?.btf?.path
        ).variables
    }

    private func startWithHeaders() async throws {
        guard var headers else { return }
        // Now each file of them counts.
        if !cache.isAsItWas(headers.headers) { headers = try await tree.headers() }
        try Task.checkCancellation()
        try headers.keepAcrossExec()
        let flags = kind == .clang ? try headers.flags(for: .clang).arguments : []
        ReplacementProgram([words[0]] + flags + words.dropFirst(), setting: headers.environment.variables).start(
            KHeader.signals)
    }
}
