internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive

/// A command-line tool run by a test: the tools that users have are what our archives are checked against.
///
/// Input and output go through unlinked files, not pipes, so nothing can fill up and wait.
public struct ShellCommand: Sendable {
    private let tool: String
    private let arguments: [String]

    /// - Parameter tool: a name that is looked for in `$PATH`, or a path.
    public init(_ tool: String, _ arguments: [String] = []) {
        self.tool = tool
        self.arguments = arguments
    }

    public init(_ tool: String, _ arguments: String...) { self.init(tool, arguments) }

    /// What a tool left.
    public struct Result: Sendable {
        /// The exit code, or 128 and the signal's number, as a shell has it.
        public let status: Int
        public let output: [UInt8]
        public let errors: String

        /// The output as text.
        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// A tool that is missing or failed, in a sentence for the test's log.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Runs it to its end.
    ///
    /// - Throws: ``Failure`` if there is no such tool.
    public func run(_ input: [UInt8] = []) throws -> Result {
        let files = try [input, [], []].map { try UnlinkedFile($0) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, file) in files.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, file.descriptor, CInt(number))
        }
        // The threads of Dispatch block all signals, and their children would: a shell would wait for ever.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let status = Self.withCStrings([tool] + arguments) { arguments in
            Self.withCStrings(Self.environment) { environment in
                posix_spawnp(&process, tool, &actions, &attributes, arguments, environment)
            }
        }
        guard status == 0 else {
            throw Failure(
                description: "\(tool) can't be started (\(String(cString: strerror(status)))); "
                    + "`make test-deps` installs what the tests need.")
        }
        return Result(
            status: try Self.wait(for: process), output: try files[1].contents(),
            errors: String(decoding: try files[2].contents(), as: UTF8.self))
    }

    /// What it prints.
    ///
    /// - Throws: ``Failure`` if it is missing or does not exit with 0.
    @discardableResult
    public func output(_ input: [UInt8] = []) throws -> [UInt8] {
        let result = try run(input)
        guard result.status == 0 else {
            let line = ([tool] + arguments).joined(separator: " ")
            throw Failure(description: "\(line.prefix(200)): exit code \(result.status). \(result.errors)")
        }
        return result.output
    }

    /// The user's, but for what changes messages, times and the meaning of bytes in names.
    private static var environment: [String] {
        // A server in the tests' own process may have to wait for a core: that is no silent server.
        let ours = ["LC_ALL": "C.UTF-8", "TZ": "UTC", "KHEADER_TIMEOUT": "600"]
        return ProcessInfo.processInfo.environment.merging(ours) { $1 }.map { "\($0)=\($1)" }
    }

    private static func withCStrings<Value>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Value
    ) rethrows -> Value {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return try body(copies + [nil])
    }

    private static func wait(for process: pid_t) throws -> Int {
        var status: CInt = 0
        try SystemCallError.check("waitpid", nil) { waitpid(process, &status, 0) }
        let signal = Int(status & 0x7F)
        return signal == 0 ? Int(status >> 8 & 0xFF) : 128 + signal
    }
}

/// A file without a name, gone when it is closed.
private final class UnlinkedFile {
    let descriptor: CInt

    init(_ contents: [UInt8]) throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/kheader-test-XXXXXX".utf8CString)
        descriptor = try SystemCallError.check("mkstemp", parent) { mkstemp(&template) }
        unlink(template)
        let sink = FileSink(borrowing: descriptor)
        try sink.write(contents)
        try sink.finish()
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit { close(descriptor) }

    func contents() throws -> [UInt8] {
        lseek(descriptor, 0, SEEK_SET)
        return try FileSource(borrowing: descriptor).readAll()
    }
}
