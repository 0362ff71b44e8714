internal import Glibc

/// The program that takes this process over: its exit code, and what signals do to it, are its own.
public struct ReplacementProgram: Sendable {
    /// What env(1) exits with, and shells expect.
    public enum Failure {
        /// It is there, and could not be started.
        public static let unusable: Int32 = 126
        public static let notFound: Int32 = 127
    }

    private let command: [String]
    private let variables: [(name: String, value: String)]

    /// - Parameters:
    ///   - command: a name that is looked for in `PATH`, or a path; then arguments. Not empty.
    ///   - variables: set for it, beside those that this process was given.
    public init(_ command: [String], setting variables: [(name: String, value: String)] = []) {
        precondition(!command.isEmpty, "a command has a name")
        self.command = command
        self.variables = variables
    }

    /// Ends this process, if not by the program then with ``Failure``, and a line on standard error.
    ///
    /// - Parameter signals: what the program is to find.
    public func start(_ signals: InheritedSignals) -> Never {
        for (name, value) in variables { setenv(name, value, 1) }
        let arguments = command.map { strdup($0) } + [nil]
        signals.restore()
        execvp(command[0], arguments)
        let number = errno
        Console.say("kheader: \(command[0]): \(String(cString: strerror(number)))")
        exit(number == ENOENT ? Failure.notFound : Failure.unusable)
    }
}
