internal import Subprocess

extension PlatformOptions {
    /// A program that is given up ends as a whole: in a session of its own, so that its group is killed and no terminal is
    /// there to write to. To end only the first of its processes is not enough: timeout(1) can't pass a SIGKILL on, and while
    /// bubblewrap starts, its second does not yet end with its first (prctl(2): what changes a process's rights clears
    /// `PR_SET_PDEATHSIG`).
    static var wholeGroup: PlatformOptions {
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [
            .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(3))
        ]
        return options
    }
}
