/// Which build is next: a bounded line of jobs, some of which run. Knows no clock, does nothing itself: events go in, actions
/// come out, and the same events have the same actions.
///
/// What somebody waits for goes before what nobody asked for; within a priority the first who came goes first. A job that is
/// wanted twice is there once, with the higher of the priorities.
public struct BuildQueue<Job: Hashable & Sendable>: Sendable {
    public enum Priority: Int, Comparable, Sendable, CaseIterable {
        /// Somebody may ask for it.
        case ahead
        /// A tree's smoke compile.
        case smoke
        /// Somebody waits.
        case asked

        public static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
    }

    public enum Event: Sendable {
        case wanted(Job, Priority)
        /// A job that was started has ended, in whatever way.
        case finished(Job)
    }

    public enum Action: Equatable, Sendable {
        case start(Job)
        /// The line is full. Of a job that waited it means that it gave way to one of a higher priority.
        case refuse(Job)
    }

    private struct Waiting: Sendable {
        let job: Job
        let priority: Priority
    }

    /// The most jobs that wait, and that run.
    public let capacity: Int
    public let width: Int
    /// In the order in which they start.
    private var line: [Waiting] = []
    private var running: Set<Job> = []

    /// - Parameters:
    ///   - capacity: at least 1.
    ///   - width: jobs that run at a time, at least 1.
    public init(capacity: Int = 64, width: Int = 1) {
        self.capacity = max(capacity, 1)
        self.width = max(width, 1)
    }

    public var waitingCount: Int { line.count }
    public var runningCount: Int { running.count }
    public var isIdle: Bool { line.isEmpty && running.isEmpty }

    /// Whether a job of this priority waits.
    public func hasWaiting(_ priority: Priority) -> Bool { line.contains { $0.priority == priority } }

    public func isRunning(_ job: Job) -> Bool { running.contains(job) }

    /// How many jobs go before a job; 0 while it runs, nil if it is not here.
    public func position(of job: Job) -> Int? {
        if running.contains(job) { return 0 }
        return line.firstIndex { $0.job == job }.map { $0 + running.count }
    }

    public mutating func handle(_ event: Event) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .wanted(let job, let priority): actions += want(job, priority)
        case .finished(let job): running.remove(job)
        }
        while running.count < width, !line.isEmpty {
            let next = line.removeFirst().job
            running.insert(next)
            actions.append(.start(next))
        }
        return actions
    }

    private mutating func want(_ job: Job, _ priority: Priority) -> [Action] {
        if running.contains(job) { return [] }
        if let index = line.firstIndex(where: { $0.job == job }) {
            guard line[index].priority < priority else { return [] }
            line.remove(at: index)
            insert(job, priority)
            return []
        }
        var actions: [Action] = []
        if line.count >= capacity {
            // The last of the lowest priority gives way, as long as that is a lower one.
            guard let last = line.last, last.priority < priority else { return [.refuse(job)] }
            line.removeLast()
            actions.append(.refuse(last.job))
        }
        insert(job, priority)
        return actions
    }

    private mutating func insert(_ job: Job, _ priority: Priority) {
        let place = line.firstIndex { $0.priority < priority } ?? line.endIndex
        line.insert(Waiting(job: job, priority: priority), at: place)
    }
}
