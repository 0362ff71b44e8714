/// Requests and their answers.
extension MetricsRegistry {
    struct Answer: Hashable {
        /// As it was declared, `/buildid/{buildID}/headers.tar.zst`; nil for what is no route.
        let route: String?
        let status: Int
    }

    /// What is counted of a route's answers of one status: in one place, for one look-up takes longer than to count.
    struct Totals {
        /// Answers of ``PromptAnswers``.
        var prompt = 0
        /// Of bodies, one of each answer.
        var bytes = Summary()
        var milliseconds = Summary()
        var seconds = Histogram()

        mutating func add(bytes: Int, after duration: Duration, isPrompt: Bool) {
            if isPrompt { prompt += 1 }
            self.bytes.add(bytes)
            milliseconds.add(Int(duration / .milliseconds(1)))
            seconds.add(duration / .seconds(1))
        }
    }

    /// Counts a request.
    ///
    /// - Parameter route: nil for what is no route.
    func asked(_ route: String?) { withState { $0.requests[route, default: 0] += 1 } }

    /// Counts an answer.
    ///
    /// - Parameters:
    ///   - bytes: of its body.
    ///   - isPrompt: it is one of ``PromptAnswers``, and its request is counted with it.
    ///   - counts: what else is one more.
    func answered(
        _ route: String?, _ status: Int, bytes: Int, after duration: Duration, isPrompt: Bool = false,
        counts: [Count] = []
    ) {
        let answer = Answer(route: route, status: status)
        withState { state in
            state.answers[answer, default: Totals()].add(bytes: bytes, after: duration, isPrompt: isPrompt)
            state.count(counts)
        }
    }
}

extension MetricsRegistry.State {
    private typealias Labels = MetricsRegistry.Labels

    /// The same with all that is written of requests and answers.
    var withAnswers: Self {
        var state = self
        for (route, count) in requests {
            state.count("http_requests_total", ["type": Self.type(ofRoute: route)], count)
        }
        for (answer, totals) in answers {
            let (type, code) = (Self.type(ofRoute: answer.route), "\(answer.status)")
            let codeAndType = Labels(["code": code, "type": type])
            state.count("http_requests_total", ["type": type], totals.prompt)
            if totals.prompt > 0 { state.count("kheaderd_prompt_answers_total", [:], totals.prompt) }
            state.count(
                "http_responses_total", ["result": answer.status >= 400 ? "error" : "success"], totals.bytes.count)
            if answer.status >= 500 { state.count("error_count", ["code": code], totals.bytes.count) }
            state.summaries["http_responses_transfer_bytes", default: [:]][codeAndType, default: .init()]
                .add(totals.bytes)
            state.summaries["http_responses_duration_milliseconds", default: [:]][codeAndType, default: .init()]
                .add(totals.milliseconds)
            let route = Labels(["route": answer.route ?? "unknown"])
            state.histograms["kheaderd_http_request_duration_seconds", default: [:]][route, default: .init()]
                .add(totals.seconds)
        }
        return state
    }

    private mutating func count(_ name: String, _ labels: KeyValuePairs<String, String>, _ more: Int) {
        counters[name, default: [:]][Labels(labels), default: 0] += more
    }

    /// What debuginfod calls `type`: the kind of artefact under a build ID or a tree, else the route.
    ///
    /// - Parameter route: as it was declared; nil for what is no route.
    static func type(ofRoute route: String?) -> String {
        guard let route else { return "unknown" }
        let parts = route.split(separator: "/")
        switch parts.first {
        case "buildid" where parts.count > 2, "trees" where parts.count > 2:
            return String(parts[2].prefix { $0 != "." })
        case "metadata", "metrics": return String(parts[0])
        default: return route
        }
    }
}
