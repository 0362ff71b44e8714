internal import KernelHeaders

/// When hosts said again what they said before: times that are not written yet, seconds since 1970.
struct UnwrittenTimes: Sendable {
    private(set) var hosts: [HostID: Int] = [:]
    var isFlushPlanned = false
    var isClosed = false

    mutating func note(_ host: HostID, at seconds: Int) { hosts[host] = seconds }

    /// Whether they have to be written, which nobody saw to yet.
    mutating func takesFlush() -> Bool {
        guard !hosts.isEmpty, !isFlushPlanned else { return false }
        isFlushPlanned = true
        return true
    }

    /// All of them, to be written: none is left.
    mutating func take() -> [HostID: Int] {
        defer { hosts = [:] }
        return hosts
    }

    /// Those that could not be written. More may have come meanwhile.
    mutating func putBack(_ taken: [HostID: Int]) { hosts.merge(taken) { max($0, $1) } }
}
