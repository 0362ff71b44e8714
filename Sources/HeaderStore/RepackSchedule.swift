/// When a repack in the background is due: some time after the last upload that left it something to do.
struct RepackSchedule {
    /// After how many seconds one that could not do all of it is tried again, at least.
    static let retrySeconds = 3600

    /// How long after an upload.
    let seconds: Int
    private var loose: [Int] = []
    private var due = Int.max

    init(seconds: Int) { self.seconds = seconds }

    /// - Parameters:
    ///   - packs: the numbers of the packs that are not tight.
    ///   - time: of a clock that nobody sets.
    /// - Returns: whether one is to run now.
    mutating func isDue(_ packs: [Int], at time: Int) -> Bool {
        if packs != loose {
            loose = packs
            due = time + seconds
        }
        guard !packs.isEmpty, time >= due else { return false }
        due = time + max(seconds, Self.retrySeconds)
        return true
    }
}
