import KernelHeaders

/// What a simulation found.
struct FleetFigures: Codable {
    /// All hosts once.
    struct Wave: Codable {
        /// Sightings that were answered; a host that is told to wait sends another one.
        var checkIns: Int
        var checkInsPerSecond: Double
        /// Of the server's process, each.
        var serverCPUMicroseconds: Double
        /// From the request to its answer, with as many under way as there are connections.
        var p50Milliseconds: Double
        var p99Milliseconds: Double
        /// Resident bytes of the server: before, and when each quarter of the hosts was answered.
        var memoryBefore: Int
        var memoryByQuarters: [Int]
        /// The cores that a server needs for a million hosts that boot within ten minutes, by this measure.
        var coresForAMillionInTenMinutes: Double

        init(
            checkIns: Int, seconds: Double, serverCPUMicroseconds: Double, latencies: [Duration], memoryBefore: Int,
            memoryByQuarters: [Int]
        ) {
            self.checkIns = checkIns
            checkInsPerSecond = Double(checkIns) / seconds
            self.serverCPUMicroseconds = serverCPUMicroseconds
            let sorted = latencies.sorted()
            func milliseconds(_ part: Double) -> Double {
                sorted.isEmpty ? 0 : sorted[Int(Double(sorted.count - 1) * part)] / .milliseconds(1)
            }
            p50Milliseconds = milliseconds(0.5)
            p99Milliseconds = milliseconds(0.99)
            self.memoryBefore = memoryBefore
            self.memoryByQuarters = memoryByQuarters
            coresForAMillionInTenMinutes = serverCPUMicroseconds / 600
        }
    }

    var hosts: Int
    var kernels: Int
    var dissenters: Int
    /// By artefact.
    var uploads: [String: Int] = [:]
    /// What some hosts were told, and what is not so; empty if all is well.
    var wrong: [String] = []
    /// All hosts boot at once.
    var boot: Wave?
    /// Hosts with other bytes boot.
    var dissent: Wave?
    /// All check in once more.
    var again: Wave?
}
