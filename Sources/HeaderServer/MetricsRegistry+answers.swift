/// Requests and their answers.
extension MetricsRegistry {
    /// The labels of a route's requests, and of its answers of one status. To make them takes longer than to count.
    final class AnswerLabels: Sendable {
        let type: Labels
        let result: Labels
        /// Nil for what is no mistake of the server.
        let error: Labels?
        let codeAndType: Labels
        let route: Labels

        init(_ route: String?, _ status: Int) {
            let name = Self.type(ofRoute: route)
            type = Labels(["type": name])
            result = Labels(["result": status >= 400 ? "error" : "success"])
            error = status >= 500 ? Labels(["code": "\(status)"]) : nil
            codeAndType = Labels(["code": "\(status)", "type": name])
            self.route = Labels(["route": route ?? "unknown"])
        }

        /// What debuginfod calls `type`: the kind of artefact under a build ID or a tree, else the route.
        ///
        /// - Parameter route: as it was declared, `/buildid/{buildID}/headers.tar.zst`; nil for what is no route.
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

    /// Counts a request.
    ///
    /// - Parameter route: nil for what is no route.
    func asked(_ route: String?) {
        // What its answer will be does not matter for the type.
        count("http_requests_total", labels(route, 200).type)
    }

    /// Counts an answer.
    ///
    /// - Parameter bytes: of its body.
    func answered(_ route: String?, _ status: Int, bytes: Int, after duration: Duration) {
        let labels = labels(route, status)
        count("http_responses_total", labels.result)
        if let error = labels.error { count("error_count", error) }
        observe("http_responses_transfer_bytes", labels.codeAndType, bytes)
        observe("http_responses_duration_milliseconds", labels.codeAndType, Int(duration / .milliseconds(1)))
        time("kheaderd_http_request_duration_seconds", labels.route, duration)
    }
}
