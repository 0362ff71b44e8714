/// How much is remembered of hosts, and for how long: hosts can be invented, and those of a fleet come and go.
public struct HostRules: Sendable, Equatable {
    /// For how many days a host is remembered that reports no more; and a kernel that no host runs any more, if the store has
    /// and had nothing of it.
    public var days = 90
    /// How many hosts are remembered of those that first came with one token. For one more, the one of them that was not seen
    /// for the longest time is forgotten: who invents hosts of known kernels pushes out those of the same token only, and of
    /// these first what was invented before and came but once.
    public var number = 2_000_000
    /// How many kernels are remembered of which there are hosts' reports and nothing else. For one more, those go that the
    /// fewest hosts run, with these hosts, whichever token they came with: they are new again with their next report.
    var bareKernels = 50_000
    /// How many different reports are kept with their details, of all kernels; further ones go without, until some of these
    /// are nobody's last any more.
    var detailedReports = 10_000

    public init() {}
}
