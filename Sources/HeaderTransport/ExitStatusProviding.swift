/// An error that knows what exit code a command ends with because of it.
public protocol ExitStatusProviding: Error {
    var exitStatus: ExitStatus { get }
}
