import KHeaderTestSupport
import PrecompiledHeaders
import Testing

@Suite struct BuildQueueTests {
    private typealias Queue = BuildQueue<Int>

    @Test func whatIsWantedStartsAtOnceIfNothingRuns() {
        var queue = Queue()
        #expect(queue.isIdle)
        #expect(queue.handle(.wanted(1, .ahead)) == [.start(1)])
        #expect(queue.handle(.wanted(2, .asked)) == [])
        #expect(queue.position(of: 1) == 0 && queue.isRunning(1))
        #expect(queue.position(of: 2) == 1 && !queue.isRunning(2))
        #expect(queue.position(of: 3) == nil)
        #expect(queue.handle(.finished(1)) == [.start(2)])
        #expect(queue.position(of: 1) == nil)
        #expect(queue.handle(.finished(2)) == [])
        #expect(queue.isIdle)
    }

    @Test func whoWaitsGoesFirstThenTheSmokeCompilesThenTheRest() {
        var queue = Queue()
        _ = queue.handle(.wanted(0, .asked))
        let wanted: [(Int, Queue.Priority)] = [
            (1, .ahead), (2, .smoke), (3, .asked), (4, .ahead), (5, .smoke), (6, .asked),
        ]
        for (job, priority) in wanted { #expect(queue.handle(.wanted(job, priority)) == []) }
        #expect([3, 6, 2, 5, 1, 4].map { queue.position(of: $0) } == [1, 2, 3, 4, 5, 6])
        #expect(Self.drain(&queue, from: 0) == [3, 6, 2, 5, 1, 4])
    }

    @Test func whatIsAskedForMovesUpAndIsThereOnce() {
        var queue = Queue()
        for job in 0..<4 { _ = queue.handle(.wanted(job, job == 3 ? .asked : .ahead)) }
        #expect(queue.handle(.wanted(2, .asked)) == [])
        // A lower priority does not move it down again.
        #expect(queue.handle(.wanted(2, .ahead)) == [])
        #expect(queue.handle(.wanted(0, .asked)) == [])
        #expect(queue.waitingCount == 3)
        #expect(Self.drain(&queue, from: 0) == [3, 2, 1])
    }

    @Test func aFullLineRefusesUnlessSomethingLowerGivesWay() {
        var queue = Queue(capacity: 2)
        for job in 0..<3 { _ = queue.handle(.wanted(job, .ahead)) }
        #expect(queue.handle(.wanted(3, .ahead)) == [.refuse(3)])
        #expect(queue.handle(.wanted(4, .smoke)) == [.refuse(2)])
        #expect(queue.handle(.wanted(5, .asked)) == [.refuse(1)])
        #expect(queue.handle(.wanted(6, .smoke)) == [.refuse(6)])
        #expect(queue.handle(.wanted(7, .asked)) == [.refuse(4)])
        #expect(queue.handle(.wanted(8, .asked)) == [.refuse(8)])
        // Who is there already is not refused.
        #expect(queue.handle(.wanted(7, .asked)) == [] && queue.handle(.wanted(0, .asked)) == [])
        #expect(queue.hasWaiting(.asked) && !queue.hasWaiting(.smoke) && !queue.hasWaiting(.ahead))
    }

    @Test func severalRunAtATime() {
        var queue = Queue(width: 2)
        #expect(queue.handle(.wanted(0, .asked)) == [.start(0)])
        #expect(queue.handle(.wanted(1, .asked)) == [.start(1)])
        #expect(queue.handle(.wanted(2, .asked)) == [])
        #expect(queue.position(of: 1) == 0 && queue.position(of: 2) == 2)
        #expect(queue.handle(.finished(1)) == [.start(2)])
        // What nobody knows has not finished.
        #expect(queue.handle(.finished(9)) == [])
        #expect(queue.runningCount == 2)
    }

    /// Random events against what must hold whatever they are.
    @Test(arguments: 0..<40)
    func whateverHappens(seed: Int) {
        var random = SeededGenerator(seed: "queue \(seed)")
        func number(_ bound: UInt64) -> Int { Int(random.next() % bound) }
        let capacity = 1 + number(6)
        let width = 1 + number(3)
        var queue = Queue(capacity: capacity, width: width)
        var running: [Int] = []
        /// With the highest priority that each was wanted with.
        var waiting: [Int: Queue.Priority] = [:]
        var started: [Int] = []
        for step in 0..<400 {
            let event: Queue.Event
            if number(3) == 0, let job = running.randomElement(using: &random) {
                running.removeAll { $0 == job }
                event = .finished(job)
            } else {
                let job = number(12)
                let priority = Queue.Priority.allCases[number(3)]
                if !running.contains(job) { waiting[job] = max(waiting[job] ?? priority, priority) }
                event = .wanted(job, priority)
            }
            for action in queue.handle(event) {
                switch action {
                case .refuse(let job):
                    // Nothing of a lower priority than what is refused stays.
                    let refused = waiting.removeValue(forKey: job)
                    #expect(waiting.values.allSatisfy { $0 >= refused ?? .ahead }, "step \(step)")
                case .start(let job):
                    let own = waiting.removeValue(forKey: job)
                    #expect(waiting.values.allSatisfy { $0 <= own ?? .ahead }, "step \(step)")
                    running.append(job)
                    started.append(job)
                }
            }
            #expect(queue.runningCount == running.count && running.count <= width)
            #expect(queue.waitingCount == waiting.count && waiting.count <= capacity)
            #expect(waiting.isEmpty || running.count == width)
            #expect(Set(running).count == running.count)
            // Positions are a permutation that follows the priorities.
            let line = waiting.sorted { queue.position(of: $0.key) ?? 0 < queue.position(of: $1.key) ?? 0 }
            let positions = line.map { queue.position(of: $0.key) ?? -1 }
            #expect(positions == Array(running.count..<running.count + waiting.count))
            #expect(zip(line, line.dropFirst()).allSatisfy { $0.value >= $1.value })
        }
        #expect(started.count > 10)
    }

    /// Finishes one after the other.
    private static func drain(_ queue: inout Queue, from first: Int) -> [Int] {
        var order: [Int] = []
        var job = first
        while case .start(let next)? = queue.handle(.finished(job)).first {
            order.append(next)
            job = next
        }
        return order
    }
}
