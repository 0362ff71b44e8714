internal import HeaderTransport

/// The command did what it was to do, and what it found is nevertheless for a person to look at.
struct Shortfall: ExitStatusProviding, CustomStringConvertible {
    let exitStatus: ExitStatus
    let description: String

    init(_ exitStatus: ExitStatus, _ description: String) {
        self.exitStatus = exitStatus
        self.description = description
    }
}
