internal import HeaderTransport
internal import KernelHeaders
internal import OperatorDocuments

/// What agents found, a line for each place of each report.
enum AgentReportTable {
    static func text(_ reports: [AgentReport]) -> String {
        var table = TextTable([.init("HOSTS", .right), .init("FOUND IN"), .init("OUTCOME"), .init("DETAIL")])
        for report in reports {
            if report.steps.isEmpty { table.add(["\(report.hosts)", "", "", ""]) }
            for step in report.steps {
                table.add(["\(report.hosts)", step.origin.rawValue, step.outcome.rawValue, step.detail ?? ""])
            }
        }
        return table.text
    }
}
